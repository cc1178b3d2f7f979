//! The coordinator's process and what it may do: breaker, consent, budgets, suspended agents, what keeps work from
//! starting.

pub mod failing;

use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::cached::{Cached, Timed};
use crate::base::{Result, Stamp, text};
use crate::coordinator::process::service::facts;
use crate::coordinator::state::{State, Totals};
use crate::coordinator::{inbox, pauses, process};
use crate::guard::consent::{self, Standing};
use crate::hub::settings::Review;
use crate::hub::{Hub, paths};
use crate::model::agent::Usage;
use crate::model::run::job_name::short;
use crate::review::policy::MergePolicy;
use failing::Failing;

/// The longest reason why no job starts, in characters.
const OBSTACLE: usize = 200;
/// How old what no file tells may be: whether the process is stuck, what the last scan found.
const SLOW: Duration = Duration::from_secs(2);

/// The coordinator.
#[derive(Clone, Debug, Serialize)]
pub struct Runtime {
    /// A process runs.
    pub running: bool,
    /// It starts nothing more and ends when its workers have stopped.
    pub stopping: bool,
    /// The note in its lock: `pid 12: …`.
    pub holder: Option<String>,
    /// Why a process that holds the lock does nothing.
    pub stuck: Option<Obstacle>,
    /// What keeps actions from working, which are retried.
    pub failing: Vec<Failing>,
    pub paused: Option<Said>,
    pub breaker: Breaker,
    /// Why no new job is chosen.
    pub nothing_is_chosen: Vec<String>,
    /// Why no job starts, as the running coordinator says: also a full disk, or a limit of seats.
    pub obstacle: Option<String>,
    /// Why the record is not committed, and how often that failed, when it keeps failing.
    pub uncommitted: Option<String>,
    /// Why no item of the backlog is started.
    pub no_item_is_taken: Option<String>,
    /// Why the record may be out of date: the hub is on another branch, or a log lost lines.
    pub record_behind: Option<String>,
    /// Commands that it has not read yet.
    pub unread_commands: usize,
    /// Work that was submitted and not started.
    pub queued: Vec<Queued>,
    /// Tasks that a person skipped.
    pub skipped: Vec<Queued>,
    /// Agents that are not called for a while.
    pub suspended: Vec<Suspended>,
    /// What agents said of their accounts' limits.
    pub quotas: Vec<Quota>,
    /// Unfinished jobs whose work conflicts, or may.
    pub conflicts: Vec<Conflict>,
    pub consent: Consent,
    /// What is merged without a person, if the settings say anything of it.
    pub merge_policy: Option<MergePolicy>,
    /// What the budget of the day counts: runs that ended, and what running jobs have used so far.
    pub spent_today: Spent,
    /// The part of it that belongs to running jobs.
    pub spent_running: Spent,
    pub spent: Spent,
    pub budget: Budget,
    pub totals: Totals,
    /// How many jobs run at once at most, as the settings say.
    pub slots: usize,
}

impl Runtime {
    /// Why no job starts although the consent allows it, for people: `no job starts: less than 1 GB is free`.
    pub fn no_job_starts(&self) -> Option<String> {
        let allows = self.consent.only.is_none() && self.consent.why.is_none();
        let why = self.obstacle.as_ref().filter(|_| allows)?;
        Some(format!("no job starts: {}", text::clip(why, OBSTACLE)))
    }
}

/// What is wrong, and the command that helps.
#[derive(Clone, Debug, Serialize)]
pub struct Obstacle {
    pub why: String,
    pub fix: String,
}

/// A person's word.
#[derive(Clone, Debug, Serialize)]
pub struct Said {
    pub by: String,
    pub at: Stamp,
    pub note: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Breaker {
    pub failures_in_a_row: u32,
    /// When it opened; `None` while it is closed.
    pub open_since: Option<Stamp>,
    pub reason: Option<String>,
    /// The job that opened it: `j7`.
    pub job: Option<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Queued {
    pub task: String,
    pub by: String,
    pub at: Stamp,
}

#[derive(Clone, Debug, Serialize)]
pub struct Suspended {
    pub agent: String,
    pub until: Stamp,
    pub reason: String,
}

/// How much of one of an agent's limits is used.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Quota {
    pub agent: String,
    /// The agent's own name of the limit.
    pub window: String,
    /// In percent.
    pub used: u8,
    pub until: Stamp,
    /// Less urgent work waits until then.
    pub holds_back: bool,
    /// For people: `93 % of its 5-hour limit`.
    pub text: String,
}

/// Two unfinished jobs whose work does not go together, or may not.
#[derive(Clone, Debug, PartialEq, Serialize, schemars::JsonSchema)]
pub struct Conflict {
    /// Their short ids, the older one first.
    pub jobs: [String; 2],
    /// A merge of what they have so far failed; otherwise both declare that they may change these paths.
    pub is_certain: bool,
    /// The conflicting files, or the shared patterns.
    pub paths: Vec<String>,
    /// How many more files there are.
    pub more: usize,
    /// For people, in one line.
    pub text: String,
    /// The command that helps.
    pub command: String,
}

/// Whether jobs may start unattended.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Consent {
    /// Jobs may run.
    pub given: bool,
    /// Why not.
    pub why: Option<String>,
    pub by: Option<String>,
    pub at: Option<Stamp>,
    /// How many jobs may start in all; `None`: any number.
    pub jobs_allowed: Option<u64>,
    /// How many of them did.
    pub jobs_started: u64,
    /// How many are left; `None`: any number.
    pub jobs_left: Option<u64>,
    /// The only work that it covers.
    pub only: Option<String>,
    /// Approved results may be merged or pushed.
    pub may_merge: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Spent {
    pub tokens: u64,
    /// `None` when no agent told a cost.
    pub cost_usd: Option<f64>,
}

impl Spent {
    pub fn plus(self, more: Spent) -> Spent {
        let cost_usd = match (self.cost_usd, more.cost_usd) {
            (None, None) => None,
            (own, more) => Some(own.unwrap_or(0.0) + more.unwrap_or(0.0)),
        };
        Spent { tokens: self.tokens.saturating_add(more.tokens), cost_usd }
    }
}

/// Limits; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Budget {
    pub day_tokens: u64,
    pub day_cost: f64,
    pub job_tokens: u64,
    pub job_cost: f64,
}

impl From<Usage> for Spent {
    fn from(usage: Usage) -> Spent {
        Spent { tokens: usage.tokens(), cost_usd: usage.cost_usd }
    }
}

/// What the settings say.
#[derive(Clone)]
struct Limits {
    budget: Budget,
    slots: usize,
    quota_threshold: u8,
    /// What is merged without a person.
    review: Review,
}

struct Slow {
    stuck: Option<Obstacle>,
    choice: Vec<String>,
    backlog: Option<String>,
    behind: Option<String>,
}

/// Reads it.
#[derive(Default)]
pub(super) struct Observer {
    limits: Cached<Limits>,
    consent: Cached<Standing>,
    slow: Timed<Slow>,
}

impl Observer {
    /// `running`: what running jobs have used and the coordinator has not counted yet.
    pub fn read(&mut self, hub: &Hub, state: &State, running: Spent) -> Result<Runtime> {
        let settings = hub.root.join(paths::SETTINGS);
        let first = self.limits.is_empty();
        let (limits, _) = self.limits.get([&settings], || limits(hub, first))?;
        let files = [settings, hub.root.join(paths::CONSENT), hub.local("trust.json")];
        let (standing, _) = self.consent.get(&files, || consent::standing(hub))?;
        let slow: Arc<Slow> = self.slow.get(SLOW, || slow(hub))?;
        let holder = process::holder(hub)?;
        let today = state.spent.day == hub.now().date();
        let said = |word: &crate::coordinator::state::Word| Said {
            by: text::safe(&word.by),
            at: word.at,
            note: word.note.as_deref().map(text::safe),
        };
        let queued = |task: &str, word: &crate::coordinator::state::Word| Queued {
            task: task.to_owned(),
            by: text::safe(&word.by),
            at: word.at,
        };
        let suspended = state.suspended.iter().map(|(agent, one)| Suspended {
            agent: agent.clone(),
            until: one.until,
            reason: text::safe(&one.reason),
        });
        let now = hub.now();
        let windows = state.quotas.iter().flat_map(|(agent, all)| all.iter().map(move |one| (agent, one)));
        let quotas = windows.filter(|(_, one)| one.until > now).map(|(agent, one)| Quota {
            agent: agent.clone(),
            window: one.window.clone(),
            used: one.used,
            until: one.until,
            holds_back: limits.quota_threshold > 0 && one.used >= limits.quota_threshold,
            text: one.describe(),
        });
        let facts = facts::read(hub)?.filter(|_| holder.is_some()).unwrap_or_default();
        Ok(Runtime {
            running: holder.is_some(),
            stopping: facts.is_stopping,
            obstacle: facts.obstacle.as_deref().map(text::safe),
            stuck: slow.stuck.clone().filter(|_| holder.is_some()),
            holder: holder.map(|holder| text::safe(&holder)),
            failing: Failing::all(state),
            paused: state.paused.as_ref().map(said),
            breaker: Breaker {
                failures_in_a_row: state.breaker.failures_in_a_row,
                open_since: state.breaker.open.as_ref().map(|trip| trip.at),
                reason: state.breaker.open.as_ref().map(|trip| text::safe(&trip.reason)),
                job: state.breaker.open.as_ref().map(|trip| short(&trip.job).into_owned()),
            },
            nothing_is_chosen: slow.choice.clone(),
            uncommitted: failing::uncommitted(hub, state),
            no_item_is_taken: slow.backlog.clone(),
            record_behind: slow.behind.clone(),
            unread_commands: inbox::read(hub)?.len(),
            queued: state.submissions.iter().map(|one| queued(&one.task, &one.word)).collect(),
            skipped: state.skips.iter().map(|(task, word)| queued(task, word)).collect(),
            suspended: suspended.collect(),
            quotas: quotas.collect(),
            conflicts: state.conflicts().iter().map(Conflict::of).collect(),
            merge_policy: MergePolicy::of(&limits.review, &standing),
            consent: Consent::of(&standing, state),
            spent_today: if today { state.spent.today.into() } else { Spent::default() }.plus(running),
            spent_running: running,
            spent: state.spent.total.into(),
            budget: limits.budget,
            totals: state.totals.clone(),
            slots: limits.slots,
        })
    }
}

impl Conflict {
    fn of(found: &crate::coordinator::state::overlap::Conflict<'_>) -> Conflict {
        Conflict {
            jobs: found.jobs.map(|job| job.short()),
            is_certain: found.is_certain,
            paths: found.paths.iter().map(|path| text::safe(path)).collect(),
            more: found.more,
            text: text::safe(&found.describe()),
            command: found.command(),
        }
    }
}

impl Consent {
    fn of(standing: &Standing, state: &State) -> Consent {
        let given = standing.doubt.is_none() && standing.consent.auto_enabled;
        let grant = standing.grant.as_ref().filter(|_| given);
        let allowed = (given && !standing.consent.continuous).then_some(standing.consent.max_iterations);
        // The coordinator counts from the grant once it has seen it.
        let is_counted = grant.is_some_and(|grant| state.grant.as_ref().is_some_and(|known| known.at == grant.at));
        let started = if is_counted { state.chosen_since_grant() } else { 0 };
        let left = allowed.map(|allowed| allowed.saturating_sub(started));
        let why = match &standing.doubt {
            Some(doubt) => Some(doubt.reason()),
            None if !given => Some(format!("{} says auto_enabled false", paths::CONSENT)),
            None if left == Some(0) => Some(match allowed {
                Some(0) | None => "it allows no jobs".to_owned(),
                Some(n) => format!("all {} have started", text::counted(n, "allowed job")),
            }),
            None => None,
        };
        Consent {
            given,
            why: why.map(|why| text::safe(&why)),
            by: grant.map(|grant| text::safe(&grant.by)),
            at: grant.map(|grant| grant.at),
            jobs_allowed: allowed,
            jobs_started: started,
            jobs_left: left,
            only: standing.only().filter(|_| given).map(|only| text::safe(&only.describe())),
            may_merge: given && standing.consent.allow_apply,
        }
    }
}

/// The hub keeps the settings that it read first.
fn limits(hub: &Hub, first: bool) -> Result<Limits> {
    let again = if first { None } else { Some(Hub::find(Some(&hub.root), hub.clock)?) };
    let settings = again.as_ref().unwrap_or(hub).settings()?;
    let budget = &settings.budget;
    Ok(Limits {
        budget: Budget {
            day_tokens: budget.day_tokens,
            day_cost: budget.day_cost,
            job_tokens: budget.job_tokens,
            job_cost: budget.job_cost,
        },
        slots: settings.coordinator.concurrency,
        quota_threshold: settings.budget.quota_threshold,
        review: settings.review.clone(),
    })
}

fn slow(hub: &Hub) -> Result<Slow> {
    let stuck = process::frozen(hub)?.map(|(why, fix)| Obstacle { why: text::safe(&why), fix: text::safe(&fix) });
    let behind = hub.behind().map(|why| text::safe(&format!("{why:#}")));
    Ok(Slow { stuck, choice: pauses::of_choice(hub)?, backlog: pauses::of_backlog(hub)?, behind })
}
