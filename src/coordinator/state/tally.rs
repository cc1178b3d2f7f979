//! The coordinator's counters: jobs, attempts, jobs per seat, usage of agents. Only data.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::Stamp;
use crate::model::agent::Usage;

/// Usage of agents, on the last day of use and in total.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Spent {
    pub day: String,
    pub today: Usage,
    pub total: Usage,
}

/// The part of a person's consent that affects the choice.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Grant {
    pub at: Stamp,
    /// How many jobs were chosen before it, or since then and not assigned.
    pub chosen_before: u64,
    /// The number of the newest job before it.
    #[serde(default)]
    pub last_job_before: u64,
}

/// How many jobs a seat got on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct DailyCount {
    pub day: String,
    pub times: u64,
}

/// How long something was waited for, in all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Wait {
    /// How often.
    pub count: u64,
    pub seconds: u64,
}

impl Wait {
    pub fn add(&mut self, time: Duration) {
        self.count += 1;
        self.seconds = self.seconds.saturating_add(time.as_secs());
    }
}

/// Total counters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Totals {
    pub chosen: u64,
    pub done: u64,
    pub blocked: u64,
    /// Of the blocked ones: those of which a result was merged later. They count as done, too.
    #[serde(default)]
    pub blocked_then_done: u64,
    pub cancelled: u64,
    pub dropped: u64,
    /// Attempts after the first.
    pub retries: u64,
    /// Guard refusals, which are never retried.
    pub guard_refusals: u64,
    pub breaker_trips: u64,
    /// How often finished work was sent back.
    #[serde(default)]
    pub reworks: u64,
    /// Of submitted work, until it was started.
    #[serde(default)]
    pub queue_wait: Wait,
    /// Of questions and finished work, until a person decided.
    #[serde(default)]
    pub person_wait: Wait,
}
