//! What the coordinator knows and must not forget: one machine-local file, written before anything
//! is done.
//!
//! Only data. Nothing here decides, reads a clock or touches a disk.

pub mod config;
pub mod input;
pub mod store;
pub mod submission;
pub(super) mod tally;
pub mod volatile;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, Stamp, json};
use crate::guard::operator::Recognised;
use crate::model::agent::{AgentSession, Usage};
use crate::model::plan::Link;
use crate::model::run::order::{Order, Rework};
use crate::model::run::outcome::{LastOutput, Verdict};
use input::{Action, ReviewWord};
use submission::{Submission, is_called};
pub use tally::{Given, Grant, Spent, Totals};
use volatile::Life;

/// The version that is written. A newer one is refused: guessing at it could do a job twice.
pub const VERSION: u32 = 1;

/// Relative to the machine-local folder.
pub const FILE: &str = "coordinator/state.json";

/// Everything that is saved. A field that an older teof did not write is empty; one that we do not
/// know would be lost, so it is refused.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct State {
    pub version: u32,
    /// The last number given to a job or an action; numbers are never given twice.
    pub last_number: u64,
    /// In the order of their choice: all that are not over, and the last that are.
    pub jobs: Vec<Job>,
    /// What operators asked for explicitly, oldest first.
    pub submissions: VecDeque<Submission>,
    /// Saved before they are performed, removed when their result is known.
    pub pending: Vec<Pending>,
    pub breaker: Breaker,
    /// An operator's pause: nothing new starts.
    pub paused: Option<Word>,
    /// Tasks that an operator does not want chosen.
    pub skips: BTreeMap<String, Word>,
    /// Task to seat: an operator's wish for the next time the task is given.
    pub reassigned: BTreeMap<String, String>,
    /// Tasks that could not be given just now, and when they may be tried again.
    pub cooling: BTreeMap<String, Stamp>,
    /// Commands that took effect: a command file that is found again after a crash does nothing.
    pub handled: VecDeque<String>,
    /// What was reported once and needs no second report.
    pub told: VecDeque<String>,
    /// The digest of the reasons for choosing nothing that were logged last: they are logged once.
    pub last_nothing: String,
    /// Seat to what it was given today.
    pub given: BTreeMap<String, Given>,
    pub totals: Totals,
    /// Agent to when it may be called again: its account is at a limit, or its service is out of order.
    pub suspended: BTreeMap<String, Suspension>,
    /// Agent to how often in a row it was suspended because its service is out of order.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub outages: BTreeMap<String, u32>,
    /// What agents used.
    pub spent: Spent,
    /// Since when the record holds something that is not committed.
    pub unrecorded_since: Option<Stamp>,
    /// The consent under which jobs are chosen, and how many were chosen before it.
    pub grant: Option<Grant>,
    /// What this process knows and the next one finds out again.
    #[serde(skip)]
    pub life: Life,
}

/// The coordinator's record of one piece of work, from its choice to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// `<compact time of choice>-<number>`: unique even when this file was lost.
    pub id: String,
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    /// What the plan is made of when the job is given, where there is none yet.
    pub origin: Option<Link>,
    pub title: String,
    /// Where it was found: `submission`, `backlog`, `plan`…
    pub source: String,
    pub seat: String,
    pub phase: Phase,
    /// The epoch of the claim under which the seat works.
    pub epoch: Option<u64>,
    /// The work order, relative to the hub.
    pub order: Option<String>,
    /// What the order asks for.
    #[serde(default)]
    pub work: Work,
    /// Which run it is, from 1. A run that died is resumed under its own number.
    pub run: u32,
    /// Process failures and time-outs so far.
    pub failures: u32,
    /// How often its worker vanished, or paused unasked.
    pub interruptions: u32,
    /// An operator wants it ended.
    pub wish: Option<Wish>,
    /// What the last run came to.
    pub last: Option<Last>,
    /// What the current run used so far, as far as it is counted in [`State::spent`].
    #[serde(default)]
    pub counted: Usage,
    /// What was decided about its result.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// It was sent back after its work was finished: what for, and what to go on from.
    #[serde(default)]
    pub rework: Option<Rework>,
    /// What a person answered to its agent, until the worker that is to hear it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When its claim's lease was made longer last, while it is under review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Stamp>,
    /// The number of its pull request.
    #[serde(default)]
    pub pull_request: Option<u64>,
    pub chosen_at: Stamp,
}

impl Job {
    /// The id of the current run: what the worker, its trailers and its outcome file are known by.
    pub fn run_id(&self) -> String {
        format!("{}.{}", self.id, self.run)
    }

    /// What its worktree, commits and kept results are known by: work that was sent back begins anew.
    pub fn known_as(&self) -> String {
        match &self.rework {
            Some(rework) => format!("{}-r{}", self.id, rework.nth),
            None => self.id.clone(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Whether it takes one of the slots: its worker runs or is about to.
    pub fn takes_a_slot(&self) -> bool {
        matches!(self.phase, Phase::Giving | Phase::Ordering | Phase::Spawning | Phase::Running { .. })
    }

    /// Whether it waits for time, permission or a decision, with nothing under way.
    pub fn rests(&self) -> bool {
        let asks = matches!(self.phase, Phase::Question { .. });
        asks || matches!(self.phase, Phase::Waiting { .. } | Phase::Held | Phase::Review { .. } | Phase::Over { .. })
    }

    /// Whether its agent waits for a person's answer.
    pub fn asks(&self) -> bool {
        matches!(self.phase, Phase::Question { .. })
    }

    /// Whether its work is finished and a person is to decide about it.
    pub fn is_under_review(&self) -> bool {
        matches!(self.phase, Phase::Review { .. })
    }

    /// Whether people mean it: by its id, the id of its run, its task, its plan or its step.
    pub fn is_called(&self, name: &str) -> bool {
        self.id == name
            || self.run_id() == name
            || is_called(name, &self.task, self.plan.as_deref(), self.step.as_deref())
    }

    /// The commit that its last run left.
    pub fn commit(&self) -> Option<&str> {
        self.last.as_ref().and_then(|last| last.commit.as_deref())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Its claim is being taken, or renewed before another attempt.
    Giving,
    /// Its work order is being written.
    Ordering,
    /// Its worker is being started.
    Spawning,
    Running {
        since: Stamp,
    },
    /// It failed and may be tried again then.
    Waiting {
        until: Stamp,
    },
    /// Nothing is wrong with it; it goes on when things may start again.
    Held,
    /// Its agent asked something and a person is to answer; its claim is kept.
    Question {
        since: Stamp,
    },
    /// Its work is finished and a person is to decide about it; its claim is kept.
    Review {
        since: Stamp,
    },
    /// Its step, claim and backlog item are being set.
    Settling {
        ending: Ending,
    },
    Over {
        ending: Ending,
        at: Stamp,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Done,
    /// A guard or a person refused it, or every attempt failed.
    Blocked,
    /// An operator ended it; its step is open again.
    Cancelled,
    /// It could not be given, or its claim went to somebody else; nothing of it was done.
    Dropped,
}

impl Ending {
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Blocked => "blocked",
            Ending::Cancelled => "cancelled",
            Ending::Dropped => "dropped",
        }
    }
}

/// An operator's word about a job or a task: who, when, and what they noted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Word {
    pub by: String,
    pub at: Stamp,
    /// How they were recognised.
    #[serde(default)]
    pub recognised: Recognised,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub word: Word,
    /// The seat that is to have it instead; `None` means that nobody is.
    pub to: Option<String>,
    /// At once, not at the end of the stage.
    pub now: bool,
}

/// What a run came to, as far as people ask for it later; the rest is in its outcome and envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    pub run: String,
    /// `None` when the worker died without a word.
    pub verdict: Option<Verdict>,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// The review bundle, relative to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The coder's passes so far.
    #[serde(default)]
    pub passes: u32,
    /// The coder's last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<AgentSession>,
    /// What was said last by what kept it from success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<LastOutput>,
    /// What its agent asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
}

/// What a job's order asks for, as far as decisions depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Work {
    /// Agents work on it, in stages: a person decides about the result.
    pub staged: bool,
    /// The agents that it cannot be done without.
    pub agents: Vec<String>,
    /// How often the coder may try.
    pub passes: u32,
}

impl Work {
    pub fn of(order: &Order) -> Work {
        let agents: BTreeSet<_> = order.roles.values().filter_map(|role| role.agent.clone()).collect();
        Work { staged: !order.stages.is_empty(), agents: agents.into_iter().collect(), passes: order.passes }
    }
}

/// What was decided about a job's result, and who said so or where it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub word: ReviewWord,
    /// In words that follow "merged" or "rejected".
    pub by: String,
}

/// Until when an agent is not called, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    pub until: Stamp,
    pub reason: String,
}

/// An action that is to be performed, or was and its result is not known yet.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    pub id: u64,
    pub action: Action,
    /// It was given out before: it may have been performed.
    pub issued: bool,
    /// How often it failed for want of a lock, of room on the disk, of a hub on its branch.
    pub failures: u32,
    /// Not before then.
    pub after: Option<Stamp>,
    /// Why it failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// An action that failed so often in a row does not succeed by waiting alone.
const STUCK_AFTER: u32 = 3;

impl Pending {
    /// Whether it keeps failing for a reason that time has not removed.
    pub fn is_stuck(&self) -> bool {
        self.failures >= STUCK_AFTER
    }

    /// It waits for somebody to allow it, not for its result. Nothing waits for a delivery.
    pub fn is_held_back(&self) -> bool {
        self.after.is_some() && (self.failures == 0 || matches!(self.action, Action::Deliver { .. }))
    }
}

/// The circuit breaker. Only a person closes it again.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breaker {
    /// Jobs that ended blocked, one after the other.
    pub failures_in_a_row: u32,
    pub open: Option<Trip>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trip {
    pub at: Stamp,
    pub reason: String,
    pub job: String,
}

impl State {
    pub fn new() -> Self {
        Self { version: VERSION, ..Self::default() }
    }

    /// Reads the file's bytes.
    ///
    /// # Errors
    /// A refusal when a newer teof wrote them, or when they are damaged: to begin anew could do work
    /// twice, so that is a person's decision.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }
        let refuse = |why: String| {
            Refusal::guard("coordinator.state", "the coordinator's saved state cannot be used")
                .because(why)
                .next("look at it: teof doctor")
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

    pub fn job(&self, id: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == id)
    }

    /// The first of these agents that may not be called, and until when.
    pub fn asleep<'a>(&'a self, agents: &'a [String], now: Stamp) -> Option<(&'a str, &'a Suspension)> {
        let found = agents.iter().filter_map(|agent| Some((agent.as_str(), self.suspended.get(agent)?)));
        found.filter(|(_, suspension)| suspension.until > now).max_by_key(|(_, suspension)| suspension.until)
    }

    /// How many jobs were chosen since the consent that stands was granted.
    pub fn chosen_since_grant(&self) -> u64 {
        self.totals.chosen - self.grant.as_ref().map_or(0, |grant| grant.chosen_before)
    }

    /// The job that an operator means: by its id, the id of its run, its task, or its plan.
    pub fn find_live(&self, name: &str) -> Option<&Job> {
        self.live_jobs().find(|job| job.is_called(name))
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
