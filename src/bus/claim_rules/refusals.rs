//! Refusals about claims: each names the holder and the fix.

use crate::base::{Refusal, Stamp};
use crate::model::claim::Claim;

/// Another seat holds the claim: who, on which branch, until when.
pub fn held(claim: &Claim, now: Stamp) -> Refusal {
    let until = match claim.lease_expires_at {
        Some(at) if at <= now => format!("its lease expired at {at}"),
        Some(at) => format!("its lease runs until {at}"),
        None => "it has no lease".to_owned(),
    };
    let Claim { task_id, agent_id, branch, status, .. } = claim;
    let refusal = Refusal::held("claim.held", format!("{task_id} is held by {agent_id}")).because(format!(
        "{agent_id} has it ({status}) on {branch} since {}, epoch {}; {until}",
        claim.claimed_at, claim.epoch
    ));
    let refusal = match claim.lease_expires_at {
        Some(at) if at <= now => refusal.next(format!(
            "if {agent_id} no longer works on it: teof bus takeover \
            {task_id} --reason …"
        )),
        _ => {
            refusal.next(format!("ask {agent_id}: teof bus message --task agent-{agent_id} --type request --summary …"))
        }
    };
    with_claim(refusal, claim)
}

/// A run of the claim is alive: nobody can take the claim.
pub fn running(claim: &Claim) -> Refusal {
    let refusal = Refusal::held("claim.running", format!("a run of {} is active", claim.task_id))
        .because(format!("a run of {} on this machine holds its run lock", claim.agent_id))
        .next("wait for the run to end, or see it: teof status");
    with_claim(refusal, claim)
}

pub(super) fn not_live(claim: &Claim) -> Refusal {
    let Claim { task_id, agent_id, status, .. } = claim;
    let refusal = Refusal::guard("claim.ended", format!("the claim of {task_id} has ended"))
        .because(format!("the claim of {agent_id} is {status}"))
        .next(format!("claim it: teof bus claim {task_id}"));
    with_claim(refusal, claim)
}

pub(super) fn old_epoch(task: &str, shown: u64, current: u64, owner: &str, status: &str) -> Refusal {
    Refusal::held("claim.epoch", format!("the claim of {task} has another epoch"))
        .because(format!("epoch {shown} was given; the current epoch is {current} ({status}, held by {owner})"))
        .next("stop the work that started under the old claim")
        .next(format!("see the holder: teof task list; claim it when it is free: teof bus claim {task}"))
        .with("task_id", task)
        .with("agent_id", owner)
        .with("status", status)
        .with("epoch", current)
        .with("shown_epoch", shown)
}

/// Adds the claim's fields to a refusal.
pub(super) fn with_claim(refusal: Refusal, claim: &Claim) -> Refusal {
    refusal
        .with("task_id", claim.task_id.as_str())
        .with("agent_id", claim.agent_id.as_str())
        .with("branch", claim.branch.as_str())
        .with("status", claim.status.as_str())
        .with("epoch", claim.epoch)
        .with("claimed_at", claim.claimed_at.to_string())
        .with("lease_expires_at", claim.lease_expires_at.map(|at| at.to_string()))
}
