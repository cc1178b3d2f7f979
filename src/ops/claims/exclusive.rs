//! Checks that work has one holder: no other seat may hold it under another name.
//!
//! A backlog item, its request, its plan and the plan's steps are names of the same work (`plans::same_work`).
//! `bus::claim_rules` decides about the claim of the task itself.

use super::held::Work;
use crate::base::{Refusal, Result, lock};
use crate::bus::claims;
use crate::hub::{Hub, paths};
use crate::model::claim::ClaimFile;

/// Refuses when another seat has the task's work under another name, by a live claim or an active run.
///
/// # Errors
/// `claim.held` and `claim.running` (exit 3), with the name under which it is held.
pub fn check(hub: &Hub, work: &Work<'_>, agent: &str) -> Result<()> {
    check_names(hub, work, work.others(hub)?, agent)
}

/// Like [`check`], for the task's own name as well.
///
/// # Errors
/// As [`check`].
pub fn check_all(hub: &Hub, work: &Work<'_>, agent: &str) -> Result<()> {
    let others = work.others(hub)?;
    check_names(hub, work, [vec![work.task.to_string()], others].concat(), agent)
}

fn check_names(hub: &Hub, work: &Work<'_>, names: Vec<String>, agent: &str) -> Result<()> {
    let Some(place) = &work.place else { return Ok(()) };
    for other in names {
        let claim = claims::load(hub, &other)?.map(|found| found.file);
        if claim.as_ref().is_some_and(|claim| claim.agent_id() == Some(agent)) {
            continue;
        }
        let running = lock::is_held(&hub.local(&paths::run_lock(&other)))?;
        if running || claim.as_ref().is_some_and(ClaimFile::is_live) {
            let plan = Some(place.plan.as_str()).filter(|plan| !work.is_request(plan));
            return Err(held(&work.task, &other, plan, claim.as_ref(), running).into());
        }
    }
    Ok(())
}

fn held(task: &str, other: &str, plan: Option<&str>, claim: Option<&ClaimFile>, running: bool) -> Refusal {
    let agent = claim.and_then(ClaimFile::agent_id).unwrap_or("somebody");
    let status = claim.and_then(ClaimFile::status_text).unwrap_or("not claimed");
    let plan_named = plan.map(|plan| format!(": the plan {plan}")).unwrap_or_default();
    let (shown, same) = match task == other {
        true => (String::new(), String::new()),
        false => (format!(", as {other}"), format!("{task} and {other} are the same work{plan_named}; ")),
    };
    let refusal = match running {
        true => Refusal::held("claim.running", format!("a run of {task} is active{shown}"))
            .because(format!("{same}a run of {agent} is active on this machine"))
            .next("wait for the run to end, or see it: teof status"),
        false => Refusal::held("claim.held", format!("{task} is held by {agent}{shown}"))
            .because(format!("{same}the claim of {agent} is {status}"))
            .next(format!("ask {agent}: teof bus message --task agent-{agent} --type request --summary …"))
            .next("or take another task: teof task list"),
    };
    refusal
        .with("task_id", task)
        .with("agent_id", agent)
        .with("held_as", other)
        .with("plan_id", plan)
        .with("status", status)
        .with("epoch", claim.map_or(0, ClaimFile::epoch))
}
