//! Open plans with their progress and what is missing as evidence.

use std::collections::HashSet;

use serde::Serialize;

use crate::base::files;
use crate::board::claims::Claim;
use crate::board::plans::Plan;
use crate::hub::Hub;
use crate::plans::requests::queue::{self, Warning};

/// A plan that is not done.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct ActivePlan {
    pub plan_id: String,
    pub actor: Option<String>,
    pub status: String,
    pub summary: String,
    pub steps_total: usize,
    pub steps_completed: usize,
    /// Ids of the steps that are not done.
    pub pending_steps: Vec<String>,
    pub checkpoint_status: Option<String>,
    pub missing_receipts: bool,
    /// What is missing, one line each.
    pub missing_details: Vec<String>,
}

/// The open plans by id.
pub fn active(hub: &Hub, plans: &[Plan]) -> Vec<ActivePlan> {
    let open = plans.iter().filter(|plan| plan.is_open);
    let active = open.map(|plan| {
        let missing_details = missing(hub, plan);
        ActivePlan {
            plan_id: plan.id.clone(),
            actor: plan.actor.clone(),
            status: plan.status.clone(),
            summary: plan.summary.clone(),
            steps_total: plan.steps_total,
            steps_completed: plan.steps_done,
            pending_steps: plan.pending().map(|step| step.id.clone()).collect(),
            checkpoint_status: plan.checkpoint.clone(),
            missing_receipts: !missing_details.is_empty(),
            missing_details,
        }
    });
    active.collect()
}

/// The plans that a live claim is about.
pub fn claimed(claims: &[Claim]) -> HashSet<&str> {
    claims.iter().filter(|claim| claim.is_live).filter_map(|claim| claim.plan.as_deref()).collect()
}

/// A done step or a satisfied checkpoint without receipts, and receipts that are not there.
fn missing(hub: &Hub, plan: &Plan) -> Vec<String> {
    let is_gone = |path: &&String| {
        let file = || files::within(&hub.root, path).ok().filter(|file| file.exists());
        !path.contains("://") && file().is_none()
    };
    let mut missing = Vec::new();
    for step in &plan.steps {
        if step.is_done && step.receipts.is_empty() {
            missing.push(format!("step {} is done without receipts", step.id));
        }
        missing.extend(step.receipts.iter().filter(is_gone).map(|path| format!("step {}: no file {path}", step.id)));
    }
    let is_reached =
        plan.checkpoint.as_deref().is_some_and(|status| ["satisfied", "done", "completed"].contains(&status));
    if is_reached && plan.receipts.is_empty() {
        missing.push("the checkpoint is satisfied without receipts".to_owned());
    }
    missing.extend(plan.receipts.iter().filter(is_gone).map(|path| format!("plan: no file {path}")));
    missing
}

/// Where open plans depart from their queue entries.
pub fn queue_warnings(hub: &Hub, plans: &[Plan]) -> Vec<Warning> {
    let read = |path: &str| {
        let bytes = files::read(&files::within(&hub.root, path).ok()?, files::MAX_DOCUMENT).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    let open = plans.iter().filter(|plan| plan.is_open);
    open.filter_map(|plan| Some((plan, plan.raw.as_ref()?)))
        .flat_map(|(plan, raw)| queue::warnings(raw, &plan.id, &read))
        .collect()
}
