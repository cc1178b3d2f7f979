//! What a run does at this moment: machine-local, `live/<run>.json`, replaced while the run lasts and removed at its
//! end.
//!
//! For people who watch; of it the coordinator reads what the run used, for the day's budget, and what its agents say
//! of their limits.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::noticed::{Errors, Noticed};
use crate::base::Stamp;
use crate::model::agent::Quotas;

/// A run as its worker last described it. Every text is one line without control characters or secrets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Live {
    pub run: String,
    #[serde(default)]
    pub job: Option<String>,
    pub task_id: String,
    /// The seat.
    pub agent_id: String,
    pub started_at: Stamp,
    /// `planner`, `coder`, `tester`, `reviewer` or `commands`; `None` before the first one.
    #[serde(default)]
    pub stage: Option<String>,
    /// From 1.
    #[serde(default)]
    pub round: Option<u32>,
    /// When the stage began.
    #[serde(default)]
    pub stage_since: Option<Stamp>,
    /// The record of the agent session or command that runs now, absolute. It says what that does and used; the fields
    /// below are about the time before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<PathBuf>,
    /// The agent program that the stage calls.
    #[serde(default)]
    pub agent: Option<String>,
    /// The last tool that the agent called, with its input.
    #[serde(default)]
    pub last_tool: Option<String>,
    /// The last line that the agent or the worker printed.
    #[serde(default)]
    pub last_line: Option<String>,
    /// When the agent or the worker last did something.
    #[serde(default)]
    pub last_at: Option<Stamp>,
    /// Notes from people reach the agent while it works; otherwise it gets them with its next call.
    #[serde(default)]
    pub takes_notes: bool,
    /// How often this call of the agent used each tool.
    #[serde(default)]
    pub tools: BTreeMap<String, u64>,
    /// The errors of this call.
    #[serde(default)]
    pub errors: Errors,
    /// What was noticed last in this run, oldest first.
    #[serde(default)]
    pub noticed: Vec<Noticed>,
    /// Used by all runs of the job so far, this one included.
    #[serde(default)]
    pub tokens: u64,
    /// US dollars; `None` when the agent does not say.
    #[serde(default)]
    pub cost_usd: Option<f64>,
    /// Used by this run alone so far.
    #[serde(default)]
    pub run_tokens: u64,
    #[serde(default)]
    pub run_cost_usd: Option<f64>,
    /// What agents said in this run of their accounts' limits.
    #[serde(default, skip_serializing_if = "Quotas::is_empty")]
    pub quotas: Quotas,
}
