//! Picking a task up: an assigned one is claimed, an unassigned one is assigned to oneself and
//! claimed, in one act (the playbook: idle_pickup).

use super::assign;
use super::claim::{self, Done, assigned_to};
use crate::base::Result;
use crate::bus::{assignments, holds};
use crate::guard::claim::admit;
use crate::hub::{Act, Hub};

/// Picks a task up for the author of the request.
///
/// # Errors
/// `claim.assigned` (exit 1) when it is another's; `task.on_hold` (exit 1); `claim.held` (exit 3).
pub fn pickup(hub: &Hub, request: &claim::Request) -> Result<Done> {
    let claim::Request { author, task, .. } = request;
    let stale = admit(hub, author, Some(task), "task pickup")?;
    let mut writer = hub.lock(&format!("task pickup {task}"))?;
    let mut act = Act::new(format!("pick up {task}"));
    let assignment = assignments::load(hub, task)?.map(|found| found.file);
    holds::check(hub, task, "pickup")?;
    let mut done = match assignment.as_ref().and_then(|assignment| assignment.engineer()) {
        Some(engineer) if engineer != author.agent => {
            let manager = assignment.as_ref().and_then(|assignment| assignment.manager());
            return Err(assigned_to(task, engineer, manager).into());
        }
        Some(_) => claim::stage(&writer, &mut act, request)?,
        None => {
            let to_self = assign::Request {
                plan: request.plan.clone(),
                branch: request.branch.clone(),
                claim: false,
                ..assign::Request::new(author.clone(), task, &author.agent)
            };
            let assigned = assign::stage(&writer, &mut act, &to_self)?;
            let request = claim::Request {
                plan: assigned.assignment.plan_id,
                branch: assigned.assignment.branch,
                assigned_by: Some(author.agent.clone()),
                ..request.clone()
            };
            let mut done = claim::stage(&writer, &mut act, &request)?;
            done.remarks.extend(assigned.remarks);
            done
        }
    };
    if let Some(stale) = stale {
        stale.record(&mut act);
        done.remarks.push(format!("went on all the same: {}", stale.message));
    }
    writer.perform(act)?;
    Ok(done)
}
