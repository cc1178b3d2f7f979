//! The coordinator's saved state: one machine-local file, written before anything is done.
//!
//! Only data: no decisions, clock or I/O.

mod clock;
pub mod config;
mod find;
pub mod input;
mod job;
pub mod notice;
pub mod overlap;
pub mod store;
pub mod submission;
pub(super) mod tally;
pub mod trial;
pub mod volatile;
mod word;
mod work;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, Stamp, json, text};
use crate::guard::trust::Only;
use crate::model::agent::Quotas;
use crate::model::run::job_name;
use input::Action;
pub use job::{Decision, Job, Last, Phase, Wish};
use submission::Submission;
pub use tally::{DailyCount, Grant, Spent, Totals};
use volatile::Volatile;
pub use word::Word;
pub use work::{Ending, Work};

/// The written version. A newer one is refused: guessing could run a job twice.
pub const VERSION: u32 = 1;

/// Relative to the machine-local folder.
pub const FILE: &str = "coordinator/state.json";

/// The saved state. A field missing from an older version is empty; an unknown field would be lost, so it is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    pub version: u32,
    /// The last action number; numbers are never reused.
    pub last_number: u64,
    /// The number of the newest job; numbers are never reused.
    pub last_job: u64,
    /// In order of choice: all jobs that are not over, and the last finished ones.
    pub jobs: Vec<Job>,
    /// Explicit submissions of operators, oldest first.
    pub submissions: VecDeque<Submission>,
    /// Actions, saved before they are performed and removed when their result is known.
    pub pending: Vec<Pending>,
    pub breaker: Breaker,
    /// An operator's pause: nothing new starts.
    pub paused: Option<Word>,
    /// Tasks skipped by an operator.
    pub skips: BTreeMap<String, Word>,
    /// Task to seat: an operator's reassignment for the next time.
    pub reassigned: BTreeMap<String, String>,
    /// Tasks that could not be assigned, and when they are tried again.
    pub cooling: BTreeMap<String, Stamp>,
    /// Applied commands, so that a command file found again after a crash has no effect.
    pub handled: VecDeque<String>,
    /// What was already reported.
    pub told: VecDeque<String>,
    /// The digest of the last logged reasons for choosing nothing, which are logged once.
    pub last_nothing: String,
    /// Jobs of each seat today.
    pub given: BTreeMap<String, DailyCount>,
    pub totals: Totals,
    /// When each suspended agent may be called again: its account is at a limit, or its service is down.
    pub suspended: BTreeMap<String, Suspension>,
    /// How often in a row each agent was suspended because its service was down.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outages: BTreeMap<String, u32>,
    /// What agents said of their accounts' limits whose windows have not ended.
    #[serde(skip_serializing_if = "Quotas::is_empty")]
    pub quotas: Quotas,
    /// Usage of agents.
    pub spent: Spent,
    /// Since when the record has uncommitted changes.
    pub unrecorded_since: Option<Stamp>,
    /// Why the record cannot be committed, as often in a row as it was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit_failing: Option<CommitFailing>,
    /// When the record was last committed because no work was left.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at_rest: Option<Stamp>,
    /// Trial merges of unfinished jobs with each other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub trials: Vec<trial::Trial>,
    /// The current consent, and how many jobs were chosen before it.
    pub grant: Option<Grant>,
    /// What each receiver of notifications was told.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub notified: BTreeMap<String, notice::Sent>,
    /// Up to which byte of the event log, with its sealed parts, workers' alerts were passed on; `None`: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts_until: Option<u64>,
    /// A process works with this state; one that finds it set follows one that was killed.
    #[serde(skip_serializing_if = "crate::model::is_default")]
    pub in_use: bool,
    /// State of this process that the next one determines again.
    #[serde(skip)]
    pub volatile: Volatile,
}

/// Until when an agent is not called, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Suspension {
    pub until: Stamp,
    pub reason: String,
}

/// An action without a known result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Pending {
    pub id: u64,
    pub action: Action,
    /// It was issued before, so it may have been performed.
    pub issued: bool,
    /// How often it failed because of a lock, a full disk or a hub on another branch.
    pub failures: u32,
    /// Not before then.
    pub after: Option<Stamp>,
    /// The last error.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A commit of the record that fails.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CommitFailing {
    /// How often in a row.
    pub failures: u32,
    /// The last reason.
    pub why: String,
    /// When it failed last.
    pub at: Option<Stamp>,
}

impl CommitFailing {
    /// Whether waiting alone does not help.
    pub fn is_stuck(&self) -> bool {
        self.failures >= STUCK_AFTER
    }

    /// For people, when it is stuck: `the record is not committed (5 failures): a merge is in progress`.
    pub fn describe(&self) -> Option<String> {
        let failures = text::counted(u64::from(self.failures), "failure");
        self.is_stuck().then(|| format!("the record is not committed ({failures}): {}", text::safe(&self.why)))
    }
}

/// After this many failures in a row, waiting alone does not help.
const STUCK_AFTER: u32 = 3;

impl Pending {
    /// Whether it keeps failing, unless it is a notification, which no work waits for.
    pub fn is_stuck(&self) -> bool {
        self.failures >= STUCK_AFTER && !matches!(self.action, Action::Notify { .. })
    }

    /// Whether it waits for permission rather than for its result. Nothing waits for a delivery.
    pub fn is_held_back(&self) -> bool {
        self.after.is_some()
            && (self.failures == 0 || matches!(self.action, Action::Deliver { .. } | Action::Notify { .. }))
    }
}

/// The circuit breaker. Only a person closes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Breaker {
    /// Consecutive blocked jobs.
    pub failures_in_a_row: u32,
    pub open: Option<Trip>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trip {
    pub at: Stamp,
    pub reason: String,
    pub job: String,
}

impl State {
    /// The actions that keep failing and that work waits for.
    pub fn failing(&self) -> impl Iterator<Item = &Pending> {
        self.pending.iter().filter(|pending| pending.is_stuck() && !pending.is_held_back())
    }

    pub fn new() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// A refusal for a newer version or damaged bytes: starting over could run work twice, so a person decides.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize, schemars::JsonSchema)]
        struct Versioned {
            version: u32,
        }
        let parsed = serde_json::from_slice::<Self>(bytes);
        if let Ok(state) = parsed
            && (1..=VERSION).contains(&state.version)
        {
            return Ok(state);
        }
        let refuse = |why: String| {
            Refusal::guard("coordinator.state", "cannot use the coordinator's saved state")
                .because(why)
                .next("see the fix: teof doctor")
        };
        let Versioned { version } = serde_json::from_slice(bytes).map_err(|e| refuse(e.to_string()))?;
        if version > VERSION {
            return Err(refuse(format!("a newer teof wrote it (version {version}; this one reads {VERSION})"))
                .next("use the newer teof")
                .into());
        }
        serde_json::from_slice(bytes).map_err(|e| refuse(e.to_string()).into())
    }

    pub fn to_bytes(&self) -> Vec<u8> {
        let mut text = json::pretty(self);
        text.push('\n');
        text.into_bytes()
    }

    /// Jobs that are not over.
    pub fn live_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| !job.is_over())
    }

    /// The later job that does the same task again.
    pub fn successor(&self, job: &Job) -> Option<&Job> {
        let mut after = self.jobs.iter().skip_while(|other| other.id != job.id);
        after.find(|other| other.task == job.task && other.id != job.id)
    }

    /// Whether the same task is done or queued again, so that how this job ended matters no more. Not for finished
    /// work.
    pub fn is_superseded(&self, job: &Job) -> bool {
        let is_failed = matches!(job.phase, Phase::Over { ending, .. } if ending != Ending::Done);
        let is_queued = || self.submissions.iter().any(|one| one.is_called(&job.task));
        is_failed && (self.successor(job).is_some() || is_queued())
    }

    /// How work on a plan ended without being done, while nobody goes on with it: `blocked`, `rejected`, `cancelled`.
    pub fn plan_stopped(&self, plan: &str) -> Option<&'static str> {
        let newest = self.jobs.iter().rfind(|job| job.plan.as_deref() == Some(plan))?;
        let is_stopped = matches!(newest.phase, Phase::Over { ending, .. } if ending != Ending::Done);
        (is_stopped && !self.is_superseded(newest)).then(|| newest.label())
    }

    /// What operators skip or cancelled, by any of its names, each with who said so: seats are not offered it either.
    pub fn excluded(&self) -> BTreeMap<String, String> {
        self.skips.iter().map(|(name, word)| (name.clone(), word.skipped())).collect()
    }

    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The first suspended agent of these, and until when.
    pub fn asleep<'a>(&'a self, agents: &'a [String], now: Stamp) -> Option<(&'a str, &'a Suspension)> {
        let found = agents.iter().filter_map(|agent| Some((agent.as_str(), self.suspended.get(agent)?)));
        found.filter(|(_, suspension)| suspension.until > now).max_by_key(|(_, suspension)| suspension.until)
    }

    /// Whether a grant of single jobs since `at` has one left for this work: what another name was granted is not its.
    pub fn has_job_left(&self, only: &Only, at: Stamp, task: &str, plan: Option<&str>, step: Option<&str>) -> bool {
        let names = only.names_of(task, plan, step);
        let of_this =
            |job: &&Job| !job.was_refused() && job.chosen_at >= at && names.iter().any(|name| job.is_called(name));
        self.jobs.iter().filter(of_this).count() < names.len()
    }

    /// Whether a job that is not here may have been: only the last [`config::KEEP`] that are over stay.
    pub fn may_have_forgotten(&self, job: &str) -> bool {
        let over: Vec<_> = self.jobs.iter().filter(|job| job.is_over()).collect();
        over.len() >= config::KEEP && over.iter().all(|known| job < known.id.as_str())
    }

    /// How many jobs were chosen since the current consent was granted, without those whose assignment was refused.
    pub fn chosen_since_grant(&self) -> u64 {
        self.totals.chosen.saturating_sub(self.grant.as_ref().map_or(0, |grant| grant.chosen_before))
    }

    /// A job whose assignment is refused counts in no limit, and what was submitted is queued where it was.
    pub fn take_back(&mut self, id: &str) {
        let Some(job) = self.jobs.iter_mut().find(|job| job.id == id) else { return };
        let number = job_name::number(id).unwrap_or_default();
        if let Some(grant) = self.grant.as_mut().filter(|grant| number > grant.last_job_before) {
            grant.chosen_before += 1;
        }
        if number > self.volatile.last_job_before {
            self.volatile.chosen = self.volatile.chosen.saturating_sub(1);
        }
        let day = job.chosen_at.date();
        if let Some(given) = self.given.get_mut(&job.seat).filter(|given| given.day == day) {
            given.times = given.times.saturating_sub(1);
        }
        let submissions = std::mem::take(&mut job.submissions);
        // What a person cancelled meanwhile is not wanted any more.
        if job.wish.as_ref().is_some_and(|wish| wish.to.is_none()) {
            return;
        }
        for one in submissions {
            let later = self.submissions.iter().position(|other| other.word.at > one.word.at);
            self.submissions.insert(later.unwrap_or(self.submissions.len()), one);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_of_the_future_or_a_damaged_one_is_not_guessed_at() {
        let state = State::new();
        assert_eq!(State::from_bytes(&state.to_bytes()).unwrap(), state);
        let newer = String::from_utf8(state.to_bytes()).unwrap().replace("\"version\": 1", "\"version\": 2");
        for (bytes, why) in
            [(newer.as_bytes(), "a newer teof"), (b"{}", "version"), (b"{\"version\":1,\"x\":2}", "unknown")]
        {
            let error = State::from_bytes(bytes).unwrap_err();
            assert!(Refusal::of(&error).unwrap().reason.as_ref().unwrap().contains(why), "{error:?}");
        }
    }
}
