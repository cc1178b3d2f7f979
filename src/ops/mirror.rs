//! What other stores show of a claim: the plan's link, the backlog's status.
//!
//! The claim decides; these follow. A plan or a backlog that cannot be edited is a remark, never a
//! reason to refuse a claim or a release: nobody could end their work because of another file.

use crate::base::{Refusal, Result};
use crate::hub::{Act, Writer, paths};
use crate::model::backlog::ItemStatus;
use crate::plans;

/// Links the plan to the claim (the playbook: "for easy traceability"); gives back a remark.
pub fn plan_link(writer: &Writer<'_>, act: &mut Act, plan: &str, task: &str) -> Result<Option<String>> {
    remark(plans::edit::link(writer, act, plan, "bus", &paths::claim(task)), &format!("plan {plan} got no link"))
}

/// Sets the status of the item with the task's id, if the backlog has one; gives back a remark. An
/// item that is done stays so.
pub fn backlog(writer: &Writer<'_>, act: &mut Act, task: &str, status: ItemStatus) -> Result<Option<String>> {
    let not_set = format!("the backlog does not say that {task} is {status}");
    let set = plans::backlog::read(writer.hub()).and_then(|backlog| match backlog.item(task) {
        None => Ok(()),
        Some(item) if item.status() == Some(ItemStatus::Blocked) && status == ItemStatus::Pending => Ok(()),
        Some(_) => plans::backlog::set_status(writer, act, task, status),
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
