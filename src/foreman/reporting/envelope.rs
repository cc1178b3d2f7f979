//! The envelope: what a run did, as the record keeps it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::base::Stamp;
use crate::foreman::results::answer::Answer;
use crate::foreman::results::call_record::CallRecord;
use crate::foreman::results::command_result::CommandResult;
use crate::foreman::routines::Round;
use crate::foreman::sandbox::{LimitReport, SandboxReport};
use crate::model::agent::Usage;
use crate::model::is_default;
use crate::model::run::outcome::{Finding, LastOutput, Suspended, Verdict};

/// The version that is written.
pub const VERSION: u64 = 2;

/// `_report/agent/<id>/runs/<ts>-<run>.json`, without its `receipt_sha256`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Envelope<'a> {
    pub version: u64,
    pub generated_at: Stamp,
    /// The seat that did the work.
    pub agent_id: &'a str,
    pub manager_agent: &'a str,
    pub run: &'a str,
    pub job: Option<&'a str>,
    pub task_id: &'a str,
    pub plan_id: Option<&'a str>,
    pub step_id: Option<&'a str>,
    pub layer: Option<&'a str>,
    pub systemic_targets: &'a [String],
    pub order: OrderUsed<'a>,
    /// The epoch of the work's claim.
    pub epoch: u64,
    pub verdict: Verdict,
    /// One line for people.
    pub reason: &'a str,
    pub started_at: Stamp,
    pub finished_at: Stamp,
    pub git: Commits<'a>,
    /// The results of a new worktree's set-up commands.
    pub setup: &'a [CommandResult],
    /// The set-up's result was kept for other worktrees, or restored from one of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup_cache: Option<&'a SetupCache>,
    /// What `.worktreeinclude` brought into the worktree; names only.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub included: &'a [String],
    pub stages: &'a [StageReport],
    pub tests: &'a [CommandResult],
    pub diff: Option<&'a DiffReport>,
    /// What the run proposes; only the coordinator sets a step.
    pub plan_updates: Vec<PlanUpdate<'a>>,
    pub routines: Rounds<'a>,
    pub scan: ScanCounts,
    /// Paths owned by teof that the worker changed in its worktree and that were restored.
    pub restored: &'a [String],
    pub receipts: &'a [RecordedReceipt],
    pub findings: &'a [Finding],
    /// The coder's passes.
    pub rounds: u32,
    pub usage: Usage,
    /// What agents used; `None` when only commands ran.
    pub tokens: Option<u64>,
    /// US dollars.
    pub cost: Option<f64>,
    pub suspended: Option<&'a Suspended>,
    pub question: Option<&'a str>,
    pub last_output: Option<&'a LastOutput>,
    /// The review bundle, relative to the hub.
    pub bundle: Option<&'a str>,
    /// What the kernel confined the run's programs to; `None` when nothing started.
    pub sandbox: Option<&'a SandboxReport>,
    /// What the run's programs may use together, and what enforces it.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub limits: &'a [LimitReport],
    /// The run's folder, on the machine that ran it. Each call and command names its own output.
    pub raw_output: &'a str,
}

/// What a set-up made, in its cache.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct SetupCache {
    pub key: String,
    /// It was restored instead of running the set-up; else it was kept.
    pub restored: bool,
    pub paths: Vec<String>,
}

/// The work order that was followed.
#[derive(Debug, Serialize, JsonSchema)]
pub struct OrderUsed<'a> {
    pub path: &'a str,
    pub version: u64,
    pub sha256: &'a str,
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct Commits<'a> {
    pub branch: &'a str,
    pub base: Option<String>,
    pub commit: Option<String>,
    pub worktree: Option<String>,
    /// Refs that keep work which is not part of the result.
    pub kept: &'a [String],
}

#[derive(Debug, Serialize, JsonSchema)]
pub struct PlanUpdate<'a> {
    pub plan_id: &'a str,
    pub step_id: &'a str,
    pub proposed_status: &'static str,
}

/// The routines before and after the work.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Rounds<'a> {
    pub before: Option<&'a Round>,
    pub after: Option<&'a Round>,
}

/// How many findings the scans had, and the new ones.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ScanCounts {
    pub before: Option<usize>,
    pub after: Option<usize>,
    pub new: Vec<Finding>,
}

/// One stage of a run.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
pub struct StageReport {
    pub name: String,
    pub round: u32,
    /// The run that performed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The agent's session, which a later round resumes, and the usage of all its calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    #[serde(default, skip_serializing_if = "is_default")]
    pub session_usage: Usage,
    #[serde(default)]
    pub passed: bool,
    /// One line for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub outcome: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// Findings that send the work back to the coder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Findings for people; they do not send the work back.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Finding>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<CallRecord>,
    /// Suggested commands that were not run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_run: Vec<NotRun>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tests: Vec<CommandResult>,
    #[serde(default)]
    pub usage: Usage,
    #[serde(default)]
    pub duration_seconds: f64,
    /// An earlier attempt had committed it already; it did not run again.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub done_before: bool,
    pub commands: Vec<CommandResult>,
    /// The checkpoint.
    pub commit: Option<String>,
}

impl StageReport {
    pub fn new(name: &str, round: u32) -> Self {
        Self { name: name.to_owned(), round, ..Self::default() }
    }
}

/// A suggested command that was not run, and why.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
pub struct NotRun {
    pub command: String,
    pub why: String,
}

/// The size of the result against its base.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DiffReport {
    pub files: usize,
    pub added: u64,
    pub removed: u64,
    /// Changed lines of generated files; they count for no limit and are not in the two fields above.
    pub generated: u64,
    pub limit: u64,
}

/// A receipt that entered the record.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct RecordedReceipt {
    pub path: String,
    pub sha256: String,
}
