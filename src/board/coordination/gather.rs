//! Puts the coordination snapshot together.

use std::collections::HashMap;
use std::time::Duration;

use super::facts::{Facts, Options};
use super::snapshot::{ClaimRow, Coordination, HeartbeatMeta, Prunable, Pruning};
use super::{alerts, handoffs, plans, presence};
use crate::base::{Result, Stamp};
use crate::board::claims::Claim;
use crate::board::plans::Plan;
use crate::hub::{Hub, paths};
use crate::model::assignment::AssignmentFile;
use crate::ops::tasks::disagreements::{self, Claimed, Disagreement};

/// How many claims that are not live, and how many things to prune, are listed.
const MOST: usize = 200;

/// Puts it together.
pub fn gather(hub: &Hub, facts: &Facts, options: &Options) -> Result<Coordination> {
    let now = hub.now();
    let active: Vec<_> = plans::active(hub, facts.plans);
    let has_claim = plans::claimed(facts.claims);
    let unclaimed: Vec<_> = active.iter().filter(|plan| !has_claim.contains(plan.plan_id.as_str())).cloned().collect();
    let retired = presence::retired(hub);
    let heartbeats = presence::heartbeats(hub, facts, &retired, options)?;
    let (claims, claims_omitted) = rows(facts.claims, now);
    let mut found = Coordination {
        generated_at: now,
        claim_disagreements: disagreements(facts),
        planner_queue_warnings: plans::queue_warnings(hub, facts.plans),
        dirty_handoffs: handoffs::pending(hub, &retired)?,
        manager_directives: facts.directives.last.clone(),
        missing_pointers: facts.directives.unpointed.clone(),
        pruning_candidates: pruning(facts),
        heartbeat_meta: HeartbeatMeta {
            manager_window_minutes: minutes(options.manager_window),
            agent_window_minutes: minutes(options.agent_window),
            automation_plans: active.iter().filter(|plan| plan.plan_id.contains("heartbeat")).cloned().collect(),
        },
        alerts: Vec::new(),
        unclaimed_plans: unclaimed,
        plans: active,
        retired,
        heartbeats,
        claims,
        claims_omitted,
    };
    found.alerts = alerts::of(&found);
    Ok(found)
}

/// By task.
fn disagreements(facts: &Facts) -> Vec<Disagreement> {
    let assignments: HashMap<&str, &AssignmentFile> = facts.assignments.iter().copied().collect();
    let disagreement = |claim: &Claim| {
        let (holder, status, plan) = (claim.seat.as_deref()?, Some(claim.status.as_str()), claim.plan.as_deref());
        disagreements::of(&claim.task, assignments.get(claim.task.as_str())?, Claimed { holder, status, plan })
    };
    facts.claims.iter().filter_map(disagreement).collect()
}

fn minutes(window: Option<Duration>) -> f64 {
    window.map_or(0.0, |window| window.as_secs_f64() / 60.0)
}

fn rows(claims: &[Claim], now: Stamp) -> (Vec<ClaimRow>, usize) {
    let row = |claim: &Claim| ClaimRow {
        task_id: claim.task.clone(),
        agent_id: claim.seat.clone(),
        status: claim.status.clone(),
        plan_id: claim.plan.clone(),
        branch: claim.branch.clone(),
        claimed_at: claim.claimed_at,
        epoch: claim.epoch,
        lease_expires_at: claim.lease_expires_at,
        lease_left_seconds: claim.lease_left(now).filter(|_| claim.is_live),
        hold: claim.hold.clone(),
        editing: claim.editing.clone(),
        is_live: claim.is_live,
    };
    let (live, others): (Vec<_>, Vec<_>) = claims.iter().partition(|claim| claim.is_live);
    let omitted = others.len().saturating_sub(MOST);
    (live.into_iter().chain(others.into_iter().take(MOST)).map(row).collect(), omitted)
}

fn pruning(facts: &Facts) -> Pruning {
    let plans = facts.plans.iter().filter(|plan| !plan.is_open);
    let claims = facts.claims.iter().filter(|claim| is_terminal(&claim.status));
    let plan = |plan: &Plan| Prunable {
        path: plan.path.clone(),
        status: plan.status.clone(),
        plan_id: Some(plan.id.clone()),
        task_id: None,
    };
    let claim = |claim: &Claim| Prunable {
        path: paths::claim(&claim.task),
        status: claim.status.clone(),
        plan_id: None,
        task_id: Some(claim.task.clone()),
    };
    Pruning {
        plans_omitted: plans.clone().count().saturating_sub(MOST),
        claims_omitted: claims.clone().count().saturating_sub(MOST),
        plans: plans.take(MOST).map(plan).collect(),
        claims: claims.take(MOST).map(claim).collect(),
    }
}

/// As [`crate::model::claim::ClaimFile::is_terminal`].
fn is_terminal(status: &str) -> bool {
    matches!(status, "done" | "released" | "closed" | "cancelled" | "abandoned")
}
