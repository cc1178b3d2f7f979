//! Applies the backlog's prerequisites to its tasks, however a seat gets one: by name, by pickup, by assignment.

use crate::base::{Refusal, Result};
use crate::guard::prerequisites::{self, Declared};
use crate::hub::{Hub, paths};
use crate::plans::SameWork;

/// Refuses a task of the backlog, under whichever of its names, while the backlog's prerequisites do not hold;
/// `what` says what is not done: "claimed".
///
/// # Errors
/// `task.prerequisites` (exit 1), with what does not hold.
pub fn check(hub: &Hub, task: &str, what: &str) -> Result<()> {
    let declared = match Declared::read(hub) {
        Ok(Some(declared)) if declared.backlog.prerequisites().is_some() => declared,
        Ok(_) => return Ok(()),
        // A backlog that cannot be read is nobody's reason to refuse a claim.
        Err(e) if Refusal::of(&e).is_some() => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let plan = SameWork::near(hub, task, None)?.place(task).map(|place| place.plan);
    let is_bound = declared
        .backlog
        .items()
        .iter()
        .any(|item| item.id() == Some(task) || (plan.is_some() && item.plan() == plan.as_deref()));
    let found = if is_bound { prerequisites::check(hub, Some(&declared))?.failure() } else { None };
    let Some(why) = found else { return Ok(()) };
    let reports = [prerequisites::AUTHENTICITY, prerequisites::CI_SUMMARY].join(" ");
    Err(Refusal::guard("task.prerequisites", format!("{task} is not {what}: its backlog's prerequisites do not hold"))
        .because(why)
        .next(format!("see the reports that they ask for: cat {reports}"))
        .next(format!("see what is asked: prerequisites in {}", paths::BACKLOG))
        .with("task_id", task)
        .into())
}
