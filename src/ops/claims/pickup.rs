//! Picks up a task: claims an assigned one, or assigns an unassigned one to the seat and claims it, in one
//! transaction (the playbook: idle_pickup).

use super::assign;
use super::claim::{self, Done, assigned_to};
use super::held;
use super::known;
use crate::base::{Refusal, Result};
use crate::bus::{assignments, claim_rules, claims};
use crate::hub::{self, Hub, Transaction, Writer};
use crate::model::claim::{Claim, ClaimStatus};
use crate::ops::context::{self, Answer, Call};

/// Picks a task up for the author of the request.
///
/// # Errors
/// `claim.assigned` (exit 1) when it is assigned to another seat; `task.on_hold` (exit 1); `claim.held` (exit 3).
pub fn pickup(hub: &Hub, request: &claim::Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let claim::Request { author, task, .. } = request;
    let call = Call { command: "task pickup", author, task, bound: true, request: repeat };
    let unknown = known::remark_unknown(hub, task)?;
    context::run(hub, &call, |writer, transaction| {
        let mut done = stage(writer, transaction, request)?;
        done.remarks.extend(unknown);
        Ok(done.into_answer())
    })
}

fn done(claim: &Claim) -> Refusal {
    Refusal::guard("claim.assigned", format!("{} is done", claim.task_id))
        .because(format!("{} finished it", claim.agent_id))
        .next("see what is open: teof task list")
        .with("task_id", claim.task_id.as_str())
        .with("engineer", claim.agent_id.as_str())
}

/// Stages a pickup in a transaction; does not check sessions.
pub fn stage(writer: &Writer<'_>, transaction: &mut Transaction, request: &claim::Request) -> Result<Done> {
    let claim::Request { author, task, .. } = request;
    let assignment = assignments::load(writer.hub(), task)?.map(|found| found.file);
    held::check(writer.hub(), task, "pickup")?;
    match assignment.as_ref().and_then(|assignment| assignment.engineer()) {
        Some(engineer) if engineer != author.agent => {
            // A faster seat holds it: the usual refusal of a claim applies.
            match claims::load(writer.hub(), task)?.map(|found| found.claim(writer.hub())).transpose()? {
                Some(claim) if claim.status.is_live() => {
                    return Err(claim_rules::held(&claim, writer.hub().now()).into());
                }
                Some(claim) if claim.status == ClaimStatus::Done => return Err(done(&claim).into()),
                _ => {}
            }
            let manager = assignment.as_ref().and_then(|assignment| assignment.manager());
            Err(assigned_to(task, engineer, manager).into())
        }
        Some(_) => claim::stage(writer, transaction, request),
        None => {
            let to_self = assign::Request {
                plan: request.plan.clone(),
                branch: request.branch.clone(),
                claim: false,
                ..assign::Request::new(author.clone(), task, &author.agent)
            };
            let assigned = assign::stage(writer, transaction, &to_self)?;
            let request = claim::Request {
                plan: assigned.assignment.plan_id,
                branch: assigned.assignment.branch,
                assigned_by: Some(author.agent.clone()),
                ..request.clone()
            };
            let mut done = claim::stage(writer, transaction, &request)?;
            done.remarks.extend(assigned.remarks);
            Ok(done)
        }
    }
}
