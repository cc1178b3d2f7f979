//! What the coordinator knows and must not forget: one machine-local file, written before anything
//! is done.
//!
//! Only data. Nothing here decides, reads a clock or touches a disk.

pub mod config;
mod find;
pub mod input;
mod job;
pub mod store;
pub mod submission;
pub(super) mod tally;
pub mod volatile;
mod word;
mod work;

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, Stamp, json};
use input::Action;
pub use job::{Decision, Job, Last, Phase, Wish};
use submission::Submission;
pub use tally::{DailyCount, Grant, Spent, Totals};
use volatile::Volatile;
pub use word::Word;
pub use work::{Ending, Work};

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
    /// The last number given to an action; numbers are never given twice.
    pub last_number: u64,
    /// The number of the newest job; never given twice.
    pub last_job: u64,
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
    pub given: BTreeMap<String, DailyCount>,
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
    /// When the record was last committed because nothing else was left to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recorded_at_rest: Option<Stamp>,
    /// The consent under which jobs are chosen, and how many were chosen before it.
    pub grant: Option<Grant>,
    /// What this process knows and the next one finds out again.
    #[serde(skip)]
    pub volatile: Volatile,
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
