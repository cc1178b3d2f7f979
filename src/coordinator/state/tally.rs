//! What the coordinator counts: jobs, attempts, what seats were given, what agents used. Only data.

use serde::{Deserialize, Serialize};

use crate::base::Stamp;
use crate::model::agent::Usage;

/// What agents used, on the day of the last use and since the file exists.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Spent {
    pub day: String,
    pub today: Usage,
    pub total: Usage,
}

/// A person's consent, as far as choice depends on it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    pub at: Stamp,
    pub chosen_before: u64,
}

/// How often a seat was given work on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DailyCount {
    pub day: String,
    pub times: u64,
}

/// Counted since the file exists.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    pub chosen: u64,
    pub done: u64,
    pub blocked: u64,
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
}
