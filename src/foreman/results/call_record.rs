//! A call of an agent as the record holds it, with the notes that the agent got.

use serde::{Deserialize, Serialize};

use super::command_result::Output;
use crate::base::Stamp;
use crate::model::agent::Usage;
use crate::model::is_default;
use crate::model::run::noticed::{Errors, Noticed};

/// A call as written to the record.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CallRecord {
    pub agent: String,
    pub model: Option<String>,
    /// Of the agent's program, where it says so itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    pub session: Option<String>,
    pub prompt_sha256: String,
    /// For people.
    pub outcome: String,
    pub duration_seconds: f64,
    pub usage: Usage,
    pub output: Output,
    pub errors: Option<Output>,
    /// The end of its output and of its stderr, without secrets.
    pub tail: String,
    pub errors_tail: String,
    pub warnings: Vec<String>,
    pub tools: std::collections::BTreeMap<String, u64>,
    /// How many errors its tools and it had.
    #[serde(default, skip_serializing_if = "is_default")]
    pub errors_seen: Errors,
    /// The operations and errors that a rule matched.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub noticed: Vec<Noticed>,
    /// Notes from people that it got.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
    /// Processes that it left running and that were stopped.
    pub ended: Vec<String>,
}

/// A note to an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Note {
    pub by: String,
    pub at: Stamp,
    pub text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub given: Option<Given>,
}

/// How the agent got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Given {
    pub at: Stamp,
    pub how: How,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// While it worked.
    Session,
    /// At the beginning of a call.
    NextCall,
}
