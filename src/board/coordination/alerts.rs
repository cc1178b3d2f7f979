//! Alerts: one line for whatever a manager should look at, in the playbook's words and order.

use super::snapshot::Coordination;
use crate::ops::presence::heartbeat::Presence;

pub(super) fn of(found: &Coordination) -> Vec<String> {
    let mut alerts = Vec::new();
    for plan in &found.plans {
        alerts.extend(plan.missing_details.iter().map(|detail| format!("Plan {}: {detail}", plan.plan_id)));
    }
    for plan in &found.unclaimed_plans {
        let actor = plan.actor.as_deref().unwrap_or("unknown");
        alerts.push(format!("Plan {} has no active claim (actor={actor})", plan.plan_id));
    }
    let beats = found.heartbeats.managers.iter().chain(&found.heartbeats.agents);
    for beat in beats.filter(|beat| beat.is_awaited && beat.state != Presence::Active) {
        alerts.push(format!("Heartbeat {} is {}", beat.agent_id, beat.state.as_str()));
    }
    for handoff in &found.dirty_handoffs {
        alerts.push(format!("Dirty handoff pending for {} (receipt={})", handoff.agent_id, handoff.receipt));
    }
    for claim in found.claims.iter().filter(|claim| claim.lease_left_seconds.is_some_and(|left| left < 0)) {
        alerts.push(format!("The lease on {} is over", claim.task_id));
    }
    for one in &found.claim_disagreements {
        alerts.push(format!("Claim and assignment of {} disagree: {}", one.task_id, one.why));
    }
    for lost in &found.missing_pointers {
        alerts.push(format!("Directive {} has no pointer in manager-report", lost.directive));
    }
    for warning in &found.planner_queue_warnings {
        alerts.push(format!("Queue warning: {}: {}", warning.plan_id, warning.message));
    }
    let mut told = std::collections::HashSet::new();
    alerts.retain(|alert| told.insert(alert.clone()));
    alerts
}
