//! Summary and exit code of a coordinator process that ended: what is done, blocked, or waits, and for what.

use std::collections::HashSet;

use serde::Serialize;

use crate::base::{Exit, Result, text};
use crate::cli::support::terminal::Times;
use crate::coordinator::executor::reviews;
use crate::coordinator::pauses;
use crate::coordinator::process::Ended;
use crate::coordinator::state::input::{Leave, LeftAs, ReviewWord};
use crate::coordinator::state::submission::Submission;
use crate::coordinator::state::{Ending, Job, Phase, State};
use crate::hub::Hub;
use crate::review::Entry;

/// The maximum number of tasks of each kind that are listed.
const NAMED: usize = 5;

/// What a coordinator process left behind. Blocked and waiting work of earlier processes is included.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub struct Summary {
    r#type: &'static str,
    /// `idle`, `max_jobs`, `stopped`, `time_over`, `breaker`, `no_consent`, `finding`, `unreadable` or `stuck`.
    left: &'static str,
    /// Why it ended before everything was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// How many jobs ended done since it started.
    done: usize,
    /// The done jobs that a person approved.
    merged: Vec<Named>,
    /// What is blocked now, without what a person rejected, skipped or closed.
    blocked: Vec<Blocked>,
    /// The tasks that a person rejected and that have no newer job.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<String>,
    /// Work that a person reverted and that nobody started again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reverted: Vec<Named>,
    /// The tasks whose results can be reviewed.
    review: Vec<String>,
    /// Finished work that needs no review and is not on the target.
    unmerged: Vec<Named>,
    waiting: Vec<Waiting>,
    /// What could start in the next run, after as many jobs as were asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    queued: Vec<String>,
    /// What agents used since it started.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Used>,
    #[serde(skip)]
    reviews: Vec<Named>,
    /// The record has changed since it was last committed.
    #[serde(skip)]
    is_uncommitted: bool,
    /// How many done jobs had nothing to merge.
    #[serde(skip)]
    changed_nothing: usize,
    #[serde(skip)]
    leave: Leave,
    #[serde(skip)]
    max_jobs: Option<u64>,
}

/// A task and, where one is remembered, its job.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Named {
    task: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    title: Option<String>,
}

impl Named {
    fn job(job: &Job) -> Named {
        let (id, short) = (job.id.clone(), job.short());
        Named { task: job.task.clone(), job: Some(id), short: Some(short), title: Some(job.title.clone()) }
    }

    fn entry(entry: &Entry) -> Named {
        let bundle = &entry.bundle;
        let (job, short) = (bundle.job.clone(), bundle.short().into_owned());
        Named {
            task: bundle.task_id.clone(),
            job: Some(job),
            short: Some(short),
            title: Some(bundle.goal.title.clone()),
        }
    }

    /// What commands take: `j2`, or the task.
    fn id(&self) -> &str {
        self.short.as_deref().unwrap_or(&self.task)
    }

    /// `j2 Document the parser`, or the task.
    fn name(&self) -> String {
        match (&self.short, &self.title) {
            (Some(short), Some(title)) => format!("{short} {}", text::clip(title, 60)),
            _ => self.task.clone(),
        }
    }
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Blocked {
    #[serde(flatten)]
    what: Named,
    reason: String,
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Used {
    tokens: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    cost_usd: Option<f64>,
}

impl Used {
    /// What was used between two states; `None` when it is nothing.
    fn between(before: &State, state: &State) -> Option<Used> {
        let (then, now) = (before.spent.total, state.spent.total);
        let tokens = now.tokens().saturating_sub(then.tokens());
        let cost_usd = now.cost_usd.map(|cost| cost - then.cost_usd.unwrap_or(0.0)).filter(|cost| *cost > 0.0);
        (tokens > 0 || cost_usd.is_some()).then_some(Used { tokens, cost_usd })
    }

    /// `12300 tokens, $0.43`
    fn describe(&self) -> String {
        let cost = self.cost_usd.map(|cost| format!(", ${cost:.2}")).unwrap_or_default();
        format!("{}{cost}", text::counted(self.tokens, "token"))
    }
}

#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Waiting {
    task: String,
    why: String,
    /// What people see instead of the task: `j2 Document the parser`.
    #[serde(skip)]
    name: Option<String>,
}

impl Waiting {
    fn task(task: &str, why: String) -> Waiting {
        Waiting { task: task.to_owned(), why, name: None }
    }
}

impl Summary {
    /// What is left after a process has `ended` that found the state as `before`. With `max_jobs`, tasks that are still
    /// queued are as they should be.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn of(
        hub: &Hub,
        ended: Ended,
        max_jobs: Option<u64>,
        before: &State,
        state: &State,
        times: Times,
    ) -> Result<Summary> {
        let is_new = |job: &&Job| before.job(&job.id).is_none_or(|known| !known.is_over());
        let is_done = |job: &&Job| matches!(job.phase, Phase::Over { ending: Ending::Done, .. });
        let is_merged = |job: &&Job| {
            job.decision.as_ref().is_some_and(|decision| matches!(decision.word, ReviewWord::Merged { .. }))
        };
        let GivenUp { blocked, rejected, reverted } = given_up(hub, &ended, before, state);
        let done: Vec<_> = state.jobs.iter().filter(is_done).filter(is_new).collect();
        let unmerged: Vec<_> = reviews::unmerged(hub, state)?.iter().map(Named::entry).collect();
        let is_listed = |job: &&&Job| is_merged(job) || unmerged.iter().any(|one| one.job.as_ref() == Some(&job.id));
        let reviews: Vec<_> = state.live_jobs().filter(|job| job.is_under_review()).map(Named::job).collect();
        Ok(Summary {
            r#type: "summary",
            left: match ended.leave {
                Leave::Idle => "idle",
                Leave::MaxJobs => "max_jobs",
                Leave::Stopped => "stopped",
                Leave::TimeOver => "time_over",
                Leave::Breaker => "breaker",
                Leave::NoConsent => "no_consent",
                Leave::Finding => "finding",
                Leave::Unreadable => "unreadable",
                Leave::Stuck => "stuck",
            },
            done: done.len(),
            changed_nothing: done.len() - done.iter().filter(is_listed).count(),
            merged: done.into_iter().filter(is_merged).map(Named::job).collect(),
            blocked,
            rejected,
            reverted,
            review: reviews.iter().map(|one| one.task.clone()).collect(),
            reviews,
            is_uncommitted: ended.is_uncommitted && hub.settings()?.coordinator.record,
            unmerged,
            waiting: waiting(hub, &ended, state, max_jobs.is_some(), times),
            queued: for_next_run(&ended, state),
            usage: Used::between(before, state),
            leave: ended.leave,
            max_jobs,
            why: ended.why,
        })
    }

    /// 0 when nothing is blocked and everything that waits waits for review, or when a person stopped the process.
    pub fn exit(&self) -> Exit {
        match self.leave {
            Leave::Stopped => Exit::Done,
            Leave::Breaker | Leave::NoConsent | Leave::Finding => Exit::Unattended,
            Leave::Unreadable | Leave::Stuck => Exit::Refused,
            Leave::Idle | Leave::MaxJobs | Leave::TimeOver if !self.blocked.is_empty() => Exit::Refused,
            Leave::Idle | Leave::MaxJobs | Leave::TimeOver if !self.waiting.is_empty() => Exit::TimedOut,
            Leave::Idle | Leave::MaxJobs | Leave::TimeOver => Exit::Done,
        }
    }

    /// For people: a line for each task that needs somebody, then how it ended, and the counts as the last line.
    pub fn render(&self) -> String {
        let mut lines = listed(self.merged.iter().map(|one| format!("  merged {}", one.name())));
        if self.leave != Leave::Stopped {
            lines.extend(listed(self.unmerged.iter().map(|one| format!("  not merged {}", one.name()))));
            lines.extend(listed(self.reviews.iter().map(|one| format!("  waiting for review {}", one.name()))));
            let blocked = self.blocked.iter();
            let blocked = blocked.map(|one| format!("  blocked {}: {}", one.what.name(), text::clip(&one.reason, 200)));
            lines.extend(listed(blocked));
            let again = |one: &Named| format!("; to do it again: teof review retry {}", one.id());
            lines.extend(listed(self.reverted.iter().map(|one| format!("  reverted {}{}", one.name(), again(one)))));
            // The last line says what ended it.
            let waiting = self.waiting.iter().filter(|one| self.why.as_ref() != Some(&one.why));
            lines.extend(listed(
                waiting.map(|one| format!("  waiting {}: {}", one.name.as_ref().unwrap_or(&one.task), one.why)),
            ));
            if !self.reviews.is_empty() || !self.unmerged.is_empty() {
                lines.push("  review and merge: teof review".to_owned());
            }
            if !self.blocked.is_empty() || !self.waiting.is_empty() {
                lines.push("  more: teof status".to_owned());
            }
            if self.is_uncommitted {
                lines.push("  the record is not committed yet; before you push it: teof bus commit".to_owned());
            }
        }
        lines.extend(self.last_line().split('\n').map(str::to_owned));
        lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
    }

    fn last_line(&self) -> String {
        let why = self.why.as_deref().unwrap_or("unknown reason");
        let counts = self.counts();
        let head = match self.leave {
            Leave::Idle => {
                let why = self.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
                return match counts.is_empty() {
                    true => format!("no more work to start{why}"),
                    false => format!("no more work to start: {counts}{why}"),
                };
            }
            Leave::MaxJobs => {
                let most = self.max_jobs.unwrap_or_default();
                return format!("stopped after {} (--max-jobs {most}): {counts}", text::counted(most, "job"));
            }
            Leave::Stopped => "stopped; continue unfinished work: teof run".to_owned(),
            Leave::TimeOver => "stopped: the time is over; continue unfinished work: teof run".to_owned(),
            Leave::Breaker => format!("stopped: the breaker is open: {why}; see: teof status"),
            Leave::NoConsent => format!("stopped: {why}"),
            Leave::Finding => format!("stopped: no new job starts: {why}; see: teof status"),
            Leave::Unreadable => "stopped: the record cannot be read".to_owned(),
            Leave::Stuck => format!("stopped: the record cannot be written: {why}"),
        };
        match counts.is_empty() {
            true => head,
            false => format!("{head}\n{counts}"),
        }
    }

    fn counts(&self) -> String {
        let counts = [
            (self.merged.len(), "merged"),
            (self.changed_nothing, "done"),
            (self.unmerged.len(), "not merged"),
            (self.blocked.len(), "blocked"),
            (self.rejected.len(), "rejected"),
            (self.reverted.len(), "reverted"),
            (self.review.len(), "waiting for review"),
            (self.waiting.len(), "waiting"),
            (self.queued.len(), "queued"),
        ];
        let counted = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
        counted.chain(self.usage.iter().map(|used| format!("used {}", used.describe()))).collect::<Vec<_>>().join(", ")
    }
}

/// The first lines, and how many more there are.
fn listed(lines: impl Iterator<Item = String>) -> Vec<String> {
    let mut lines: Vec<_> = lines.collect();
    let more = lines.len().saturating_sub(NAMED);
    if more == 1 {
        return lines;
    }
    lines.truncate(NAMED);
    lines.extend((more > 0).then(|| format!("    and {more} more")));
    lines
}

/// Work that nobody continues before a person says so.
#[derive(Default)]
struct GivenUp {
    blocked: Vec<Blocked>,
    /// The tasks that a person rejected.
    rejected: Vec<String>,
    reverted: Vec<Named>,
}

/// The work that is blocked, rejected or reverted. Work that this process blocked counts even if the record does not
/// show it yet.
fn given_up(hub: &Hub, ended: &Ended, before: &State, state: &State) -> GivenUp {
    let (mut found, mut seen) = (GivenUp::default(), HashSet::new());
    let of_record = ended.passed.iter().filter(|passed| passed.left == LeftAs::Blocked);
    let mut recorded: Vec<_> = of_record.collect();
    // The newest job of a task decides.
    for job in state.jobs.iter().rev().filter(|job| seen.insert(job.task.as_str())) {
        let Phase::Over { ending: ending @ (Ending::Blocked | Ending::Reverted), .. } = job.phase else { continue };
        let count = recorded.len();
        recorded.retain(|passed| !job.is_called(&passed.task));
        let is_recorded = recorded.len() < count;
        let is_new = before.job(&job.id).is_none_or(|known| !known.is_over());
        match ending {
            Ending::Reverted if is_recorded => found.reverted.push(Named::job(job)),
            Ending::Reverted => {}
            _ if job.decision.is_some() => found.rejected.push(job.task.clone()),
            _ if !is_new && reviews::dismissed(hub, state, job).is_some() => {}
            _ if is_new || is_recorded => {
                let reason = job.last.as_ref().map(|last| last.reason.clone()).unwrap_or_default();
                found.blocked.push(Blocked { what: Named::job(job), reason });
            }
            _ => {}
        }
    }
    found.blocked.reverse();
    let others = recorded.into_iter();
    found.blocked.extend(others.map(|one| Blocked {
        what: Named { task: one.task.clone(), job: None, short: None, title: None },
        reason: one.why.clone(),
    }));
    found
}

/// The tasks that wait for the next run.
fn for_next_run(ended: &Ended, state: &State) -> Vec<String> {
    let is_done_here = |task: &str| state.live_jobs().any(|job| job.is_called(task));
    let passed = ended.passed.iter().filter(|passed| passed.left == LeftAs::NextRun && !is_done_here(&passed.task));
    passed.map(|passed| passed.task.clone()).collect()
}

/// What has not ended and does not wait for review, and why.
fn waiting(hub: &Hub, ended: &Ended, state: &State, bounded: bool, times: Times) -> Vec<Waiting> {
    let rests = |job: &&Job| !job.is_over() && !job.is_under_review();
    let jobs = state.jobs.iter().filter(rests).map(|job| {
        let why = match (&job.phase, &job.paused) {
            (Phase::Held, Some(word)) => {
                format!("paused by {}; to continue it: teof coordinator resume {}", word.by, job.short())
            }
            _ => pauses::of_job(hub, job).or_else(|| job.reason()).unwrap_or_else(|| job.label().to_owned()),
        };
        let answer = job.asks().then(|| format!("; answer: teof coordinator answer {} \"...\"", job.short()));
        let name = Some(Named::job(job).name());
        Waiting { name, ..Waiting::task(&job.task, why + answer.as_deref().unwrap_or_default()) }
    });
    let passed = ended.passed.iter().filter(|passed| !matches!(passed.left, LeftAs::Blocked | LeftAs::NextRun));
    let passed = passed.map(|passed| Waiting::task(&passed.task, passed.why.clone()));
    let is_passed = |named: &dyn Fn(&str) -> bool| ended.passed.iter().any(|passed| named(&passed.task));
    let queued = state.submissions.iter().filter(|one| !bounded && !is_passed(&|task| one.is_called(task)));
    let reason = |one: &Submission| {
        let uncounted = ended.uncounted.iter().find(|passed| one.is_called(&passed.task));
        uncounted.map_or_else(|| "submitted, not started".to_owned(), |passed| passed.why.clone())
    };
    let queued = queued.map(|one| Waiting::task(&one.task, reason(one)));
    let cooling = state.cooling.iter().filter(|(task, _)| !is_passed(&|name| name == task.as_str()));
    let cooling = cooling
        .map(|(task, until)| Waiting::task(task, format!("could not be assigned; retried after {}", times.at(*until))));
    let mut seen = HashSet::new();
    let all = jobs.chain(passed).chain(queued).chain(cooling);
    all.filter(|one| seen.insert(one.task.clone())).collect()
}
