//! A notification, and what was sent to each receiver. Only data.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::base::Stamp;
use crate::hub::settings::notify::Topic;

/// What a person is told: the JSON that a receiver reads. Every text is one line without control characters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Notice {
    pub version: u32,
    pub event: Topic,
    pub at: Stamp,
    pub text: String,
    /// The job's short id: `j7`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    /// How many notifications were left out before this one, because there were too many.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub left_out: u64,
}

/// What was sent to a receiver.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Sent {
    /// The last hour's, oldest first.
    pub times: VecDeque<Stamp>,
    /// The last hour's that are urgent.
    pub urgent: VecDeque<Stamp>,
    /// When each was last sent.
    pub last: BTreeMap<String, Stamp>,
    /// How many were left out since the last one.
    pub left_out: u64,
}
