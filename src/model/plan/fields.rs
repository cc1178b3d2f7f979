//! The fields of a plan, for its JSON Schema. Unknown fields are kept.

use schemars::JsonSchema;
use serde_json::Value;

use super::Link;
use crate::base::Stamp;
use crate::model::command::Command;
use crate::model::run::order::ExpectedReceipt;

/// A plan.
#[derive(Debug, JsonSchema)]
pub struct PlanFields {
    pub version: Option<Value>,
    /// The file's name without `.plan.json`.
    pub plan_id: String,
    /// The short name of its work as a task; only its own slug.
    pub task_id: Option<String>,
    pub created: Option<Stamp>,
    /// Who made it.
    pub actor: Option<String>,
    pub summary: Option<String>,
    /// `queued`, `in_progress`, `blocked` or `done`.
    pub status: Option<String>,
    /// A word or a number; 1 is more urgent than 2.
    pub priority: Option<Value>,
    pub impact_score: Option<i64>,
    /// `L0` to `L6`.
    pub layer: Option<String>,
    /// Absent means the layer itself.
    #[schemars(default)]
    pub layer_targets: Vec<String>,
    pub systemic_scale: Option<u64>,
    /// `S1` to `S10`.
    #[schemars(default)]
    pub systemic_targets: Vec<String>,
    pub steps: Vec<StepFields>,
    pub checkpoint: Option<CheckpointFields>,
    /// What it comes from.
    #[schemars(default)]
    pub links: Vec<Link>,
    /// Paths relative to the repository.
    #[schemars(default)]
    pub receipts: Vec<String>,
}

/// How one knows that the plan reached its goal.
#[derive(Debug, JsonSchema)]
pub struct CheckpointFields {
    pub description: Option<String>,
    pub owner: Option<String>,
    /// `pending`, `satisfied` or `superseded`.
    pub status: Option<String>,
}

/// A step of a plan.
#[derive(Debug, JsonSchema)]
pub struct StepFields {
    pub id: String,
    pub title: Option<String>,
    /// `queued`, `in_progress`, `blocked` or `done`.
    pub status: Option<String>,
    pub notes: Option<String>,
    /// Paths relative to the repository.
    #[schemars(default)]
    pub receipts: Vec<String>,
    /// The goal in a worker's words; else the title.
    pub objective: Option<String>,
    /// The agent that does it, by its name in the settings.
    pub agent: Option<String>,
    pub commands: Option<Vec<Command>>,
    /// How to go back; only a person runs it.
    pub rollback: Option<Vec<Command>>,
    pub expected_receipts: Option<Vec<ReceiptFields>>,
    /// Command lines that must pass before the step counts as done.
    #[schemars(default)]
    pub tests: Vec<String>,
    /// Lines added plus lines removed.
    pub diff_limit: Option<u64>,
    /// Globs that it may change; empty means everywhere that is not denied.
    #[schemars(default)]
    pub allowed: Vec<String>,
    #[schemars(default)]
    pub denied: Vec<String>,
    /// Globs whose change needs a person.
    #[schemars(default)]
    pub protected: Vec<String>,
    /// What the last run of it did.
    pub last_run: Option<Value>,
}

/// A path, or an object with one.
#[derive(Debug, JsonSchema)]
#[schemars(untagged)]
pub enum ReceiptFields {
    Path(String),
    Described(ExpectedReceipt),
}
