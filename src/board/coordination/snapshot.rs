//! The snapshot's data. The names of the fields are the playbook's, where it has them.

use serde::Serialize;

use super::directives::{Directive, Unpointed};
use super::handoffs::Handoff;
use super::plans::ActivePlan;
use super::presence::{Heartbeats, Retired};
use crate::base::Stamp;
use crate::ops::tasks::disagreements::Disagreement;
use crate::plans::requests::queue::Warning;

/// The snapshot. Times are UTC, durations seconds or, where the name says so, minutes.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Coordination {
    pub generated_at: Stamp,
    /// Plans that are not done, by id.
    pub plans: Vec<ActivePlan>,
    /// Live claims by task, then the others; when there are many, only some of the others.
    pub claims: Vec<ClaimRow>,
    /// How many claims are not listed.
    pub claims_omitted: usize,
    pub claim_disagreements: Vec<Disagreement>,
    pub unclaimed_plans: Vec<ActivePlan>,
    pub heartbeats: Heartbeats,
    pub heartbeat_meta: HeartbeatMeta,
    pub retired: Vec<Retired>,
    pub dirty_handoffs: Vec<Handoff>,
    /// The last messages of manager-report, newest last.
    pub manager_directives: Vec<Directive>,
    /// Directives that no message of manager-report points to.
    pub missing_pointers: Vec<Unpointed>,
    /// Where plans depart from their queue entries.
    pub planner_queue_warnings: Vec<Warning>,
    pub alerts: Vec<String>,
    pub pruning_candidates: Pruning,
}

/// A claim.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ClaimRow {
    pub task_id: String,
    pub agent_id: Option<String>,
    pub status: String,
    pub plan_id: Option<String>,
    pub branch: Option<String>,
    pub claimed_at: Option<Stamp>,
    pub epoch: u64,
    pub lease_expires_at: Option<Stamp>,
    /// Negative once the lease is over; `None`: it has none, or the claim is not live.
    pub lease_left_seconds: Option<i64>,
    pub hold: Option<String>,
    /// What its seat edits for it, as hooks told it within the last hour.
    pub editing: Option<String>,
    #[serde(skip)]
    pub is_live: bool,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct HeartbeatMeta {
    /// 0: not checked.
    pub manager_window_minutes: f64,
    pub agent_window_minutes: f64,
    /// Open plans that automate heartbeats.
    pub automation_plans: Vec<ActivePlan>,
}

/// Files that are no longer needed: at most some of each, and how many more there are.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Pruning {
    pub plans: Vec<Prunable>,
    pub claims: Vec<Prunable>,
    pub plans_omitted: usize,
    pub claims_omitted: usize,
}

#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Prunable {
    /// Relative to the hub.
    pub path: String,
    pub status: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plan_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task_id: Option<String>,
}
