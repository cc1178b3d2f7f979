//! Applies the backlog's prerequisites to its tasks, whether a seat claims by name, by pickup or by assignment.

use crate::base::{Refusal, Result};
use crate::guard::prerequisites::{self, Declared};
use crate::hub::{Hub, paths};
use crate::plans::SameWork;

/// Refuses a backlog task, under any of its names, while the backlog's prerequisites are not met. `written` is the plan
/// that the claim or assignment is to name; `what` is the refused action: "claimed".
///
/// # Errors
/// `task.prerequisites` (exit 1), with the unmet ones.
pub fn check(hub: &Hub, task: &str, written: Option<&str>, what: &str) -> Result<()> {
    let declared = match Declared::read(hub) {
        Ok(Some(declared)) if declared.backlog.prerequisites().is_some() => declared,
        Ok(_) => return Ok(()),
        // An unreadable backlog does not refuse claims.
        Err(e) if Refusal::of(&e).is_some() => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let by_name = SameWork::near(hub, task, None)?.place(task).map(|place| place.plan);
    let is_plan = |plan: &str| by_name.as_deref() == Some(plan) || written == Some(plan);
    let is_bound =
        declared.backlog.items().iter().any(|item| item.id() == Some(task) || item.plan().is_some_and(is_plan));
    let found = if is_bound { prerequisites::check(hub, Some(&declared))?.failure() } else { None };
    let Some(why) = found else { return Ok(()) };
    let reports = [prerequisites::AUTHENTICITY, prerequisites::CI_SUMMARY].join(" ");
    Err(Refusal::guard("task.prerequisites", format!("{task} was not {what}: the backlog's prerequisites are not met"))
        .because(why)
        .next(format!("see the required reports: cat {reports}"))
        .next(format!("see the prerequisites in {}", paths::BACKLOG))
        .with("task_id", task)
        .into())
}
