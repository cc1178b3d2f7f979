//! Blocked work, opened again by a person who asks for it by name: the item, and the step and plan that
//! block it, in one act.

use crate::base::Result;
use crate::guard::trust;
use crate::hub::{Act, Hub, Writer};
use crate::model::backlog::ItemStatus;
use crate::model::plan::Status;
use crate::plans::edit::{self, StepChange};
use crate::plans::{self, backlog, vault};

/// What is asked for: an item of the backlog, or a plan and one of its steps (its next one).
#[derive(Clone, Copy, Debug)]
pub enum Asked<'a> {
    Item(&'a str),
    Step { plan: &'a str, step: Option<&'a str> },
}

/// Opens it again where it is blocked; false when nothing was.
///
/// # Errors
/// In a worker's children: what is blocked waits for a person.
pub fn reopen(hub: &Hub, asked: Asked) -> Result<bool> {
    let mut writer = hub.lock("open blocked work again")?;
    let mut act = Act::new("open blocked work again");
    match asked {
        Asked::Item(id) => item(&writer, &mut act, id)?,
        Asked::Step { plan, step } => self::step(&writer, &mut act, plan, step)?,
    }
    if act.is_empty() {
        return Ok(false);
    }
    trust::require_person("open blocked work again")?;
    writer.perform(act)?;
    Ok(true)
}

fn item(writer: &Writer<'_>, act: &mut Act, id: &str) -> Result<()> {
    let backlog = backlog::read(writer.hub())?;
    let Some(item) = backlog.item(id).filter(|item| item.status() == Some(ItemStatus::Blocked)) else {
        return Ok(());
    };
    // Its plan is where it was blocked.
    if let Some(plan) = item.plan().filter(|plan| plans::find(writer.hub(), plan).is_ok()) {
        step(writer, act, plan, None)?;
    }
    backlog::reopen(writer, act, id)
}

fn step(writer: &Writer<'_>, act: &mut Act, plan: &str, step: Option<&str>) -> Result<()> {
    let found = plans::find(writer.hub(), plan)?;
    let wanted = step.map_or_else(|| found.plan.current_step(), |id| found.plan.step(id));
    let Some(wanted) = wanted else { return Ok(()) };
    if found.plan.status() == Some(Status::Blocked) {
        edit::set_status(writer, act, found.id(), Status::InProgress)?;
    }
    if let (Some(Status::Blocked), Some(id)) = (wanted.status(), wanted.id()) {
        let change = StepChange { status: Some(Status::InProgress), ..StepChange::default() };
        edit::set_step(writer, act, found.id(), id, &change)?;
    }
    if !act.is_empty() {
        // A request that cannot be edited keeps its status; the work does not depend on it.
        vault::follow(writer, act, &found.plan, vault::IN_PROGRESS)?;
    }
    Ok(())
}
