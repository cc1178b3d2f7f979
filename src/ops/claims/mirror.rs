//! Syncs other stores with a claim or an assignment: the plan's link, the backlog's status, the playbook's task
//! list.
//!
//! The claim decides; these follow. A plan or backlog that cannot be edited causes a remark, never a refusal, so that
//! a damaged file does not block work.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, files};
use crate::hub::{Transaction, Writer, paths};
use crate::model::assignment::Assignment;
use crate::model::backlog::ItemStatus;
use crate::model::json::edit::EditableJson;
use crate::plans;

/// Links the plan to the claim (the playbook: "for easy traceability"); returns a remark.
pub fn plan_link(writer: &Writer<'_>, transaction: &mut Transaction, plan: &str, task: &str) -> Result<Option<String>> {
    remark(
        plans::edit::link(writer, transaction, plan, "bus", &paths::claim(task)),
        &format!("plan {plan} was not linked"),
    )
}

/// Sets the status of the item with the task's id, if the backlog has one; returns a remark. A done item stays done.
pub fn backlog(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    task: &str,
    status: ItemStatus,
) -> Result<Option<String>> {
    let not_set = format!("the backlog status of {task} was not set to {status}");
    let set = plans::backlog::read(writer.hub()).and_then(|backlog| match backlog.item(task) {
        None => Ok(()),
        Some(item) if item.status() == Some(ItemStatus::Blocked) && status == ItemStatus::Pending => Ok(()),
        Some(_) => plans::backlog::set_status(writer, transaction, task, status),
    });
    remark(set, &not_set)
}

/// A refusal becomes a remark; a fault stays one.
fn remark(done: Result<()>, what: &str) -> Result<Option<String>> {
    let Err(error) = done else { return Ok(None) };
    let Some(refusal) = Refusal::of(&error) else { return Err(error) };
    Ok(Some(match &refusal.reason {
        Some(reason) => format!("{what}: {} ({reason})", refusal.message),
        None => format!("{what}: {}", refusal.message),
    }))
}

/// Adds an assignment to the playbook's list of tasks, if the tree has one; returns a remark.
pub fn tasks_file(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    assignment: &Assignment,
) -> Result<Option<String>> {
    let mut edit = || -> Result<()> {
        let Some(bytes) = files::read(&writer.hub().path(paths::TASKS)?, files::MAX_DOCUMENT)? else { return Ok(()) };
        let mut document = EditableJson::parse(&bytes, Path::new(paths::TASKS))?;
        put_task(&mut document, assignment)?;
        transaction.replace(paths::TASKS, document.into_text());
        Ok(())
    };
    remark(edit(), &format!("the assignment was not added to {}", paths::TASKS))
}

/// An existing entry keeps its title, role, priority and status (the playbook: task_assign).
fn put_task(document: &mut EditableJson, assignment: &Assignment) -> Result<()> {
    let tasks = document.get("/tasks").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let at = tasks.iter().position(|task| task.get("id").and_then(Value::as_str) == Some(&assignment.task_id));
    let known = |key: &str| at.is_some_and(|at| tasks[at].get(key).is_some());
    let id = json!(assignment.task_id);
    let defaults = [
        ("id", id.clone()),
        ("title", id),
        ("role", json!("engineer")),
        ("priority", json!("medium")),
        ("status", json!("open")),
    ];
    let mut fields: Vec<_> = defaults.into_iter().filter(|(key, _)| !known(key)).collect();
    fields.extend([
        ("assigned_by", json!(assignment.manager)),
        ("plan_id", json!(assignment.plan_id)),
        ("branch", json!(assignment.branch)),
    ]);
    match at {
        Some(at) => fields.into_iter().try_for_each(|(key, value)| document.set(&format!("/tasks/{at}/{key}"), value)),
        None => {
            let task: Map<_, _> = fields.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
            document.push("/tasks", task)
        }
    }
}
