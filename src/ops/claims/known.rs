//! Whether anything knows a task, so that a slip of its name is noticed.

use crate::base::{Refusal, Result, names};
use crate::bus::{assignments, claims, messages};
use crate::guard::secrets;
use crate::hub::{Hub, paths};
use crate::model::plan::Status;
use crate::plans::requests::{self, vault};
use crate::plans::{self, PlanFile, SameWork};

/// Only a warning when an unknown task is claimed or assigned: a task may exist only as a claim, but usually its name
/// is misspelt.
///
/// # Errors
/// When the record cannot be read; `text.secret` when the new name holds a secret.
pub fn remark_unknown(hub: &Hub, task: &str) -> Result<Option<String>> {
    let remark = |meant| {
        format!(
            "no such task {task}{meant} in backlog, plans, vault or queue; add it: teof task add {task} --title \"…\""
        )
    };
    let meant = meant_if_unknown(hub, task)?;
    if meant.is_some() {
        secrets::check_text("task", task)?;
    }
    Ok(meant.map(remark))
}

/// ` (did you mean QUEUE-001?)` for a task that nothing knows, or an empty text when no name is near; `None` for a
/// task that is known.
///
/// # Errors
/// As [`remark_unknown`].
pub fn meant_if_unknown(hub: &Hub, task: &str) -> Result<Option<String>> {
    if assignments::load(hub, task)?.is_some() || claims::load(hub, task)?.is_some() {
        return Ok(None);
    }
    if SameWork::near(hub, task, None)?.place(task).is_some() {
        return Ok(None);
    }
    let plans: Vec<PlanFile> = plans::all(hub).into_iter().filter_map(|(_, plan)| plan.ok()).collect();
    let of_plan =
        |plan: &PlanFile| task.strip_prefix(plan.id()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    if plans.iter().any(of_plan) {
        return Ok(None);
    }
    let known = names(hub, &plans)?;
    let is_known = known.iter().any(|name| name == task);
    Ok((!is_known).then(|| names::did_you_mean(task, known.iter().map(String::as_str))))
}

/// Refuses to open a task's channel under a name that differs from a known task or channel by case alone: a hold in it
/// would hold nothing.
///
/// # Errors
/// `channel.twin` (exit 2); as [`remark_unknown`].
pub fn refuse_twin(hub: &Hub, task: &str) -> Result<()> {
    if hub.path(&paths::channel(task))?.exists() || meant_if_unknown(hub, task)?.is_none() {
        return Ok(());
    }
    let plans: Vec<PlanFile> = plans::all(hub).into_iter().filter_map(|(_, plan)| plan.ok()).collect();
    let mut known = messages::channels(hub)?;
    known.extend(claims::list(hub)?.whole.into_iter().map(|(task, _)| task));
    known.extend(names(hub, &plans)?);
    let Some(twin) = known.into_iter().find(|known| known.eq_ignore_ascii_case(task)) else { return Ok(()) };
    Err(Refusal::usage("channel.twin", format!("{task} differs from {twin} by case alone"))
        .because("they would be one file where the file system ignores case")
        .next(format!("use that name: --task {twin}"))
        .into())
}

/// The items of the backlog, the open steps of open plans, and the requests. A damaged file has none.
fn names(hub: &Hub, plans: &[PlanFile]) -> Result<Vec<String>> {
    let mut found = Vec::new();
    if let Some(backlog) = readable(plans::backlog::read(hub))? {
        found.extend(backlog.items().iter().filter_map(|item| item.id().map(str::to_owned)));
    }
    for file in plans.iter().filter(|file| file.plan.status() != Some(Status::Done)) {
        let steps = file.plan.steps();
        let open = steps.iter().filter(|step| step.status() != Some(Status::Done)).filter_map(|step| step.id());
        found.extend(open.map(|id| file.plan.task_of(file.id(), id)));
    }
    let queued = requests::list(hub, requests::QUEUE, &hub.settings()?.sources.queue_folder)?;
    let planned = readable(vault::planned(hub))?.unwrap_or_default();
    found.extend(planned.into_iter().chain(queued).map(|entry| entry.task));
    Ok(found)
}

/// A refusal to read a file is a damaged file; a fault stays one.
fn readable<T>(found: Result<T>) -> Result<Option<T>> {
    match found {
        Err(e) if Refusal::of(&e).is_some() => Ok(None),
        found => found.map(Some),
    }
}
