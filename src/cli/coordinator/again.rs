//! Work that was blocked, opened again by the person who asks for it by name.

use crate::base::{Result, text};
use crate::cli::App;
use crate::coordinator::input::Command;
use crate::guard::trust;
use crate::hub::{Act, Hub};
use crate::model::backlog::ItemStatus;
use crate::model::plan::Status;
use crate::plans::edit::StepChange;
use crate::plans::{self, backlog, edit, vault};

/// Opens again what the submission is about, where it is blocked: the item, or the step and its plan.
///
/// # Errors
/// In a worker's children: what is blocked waits for a person.
pub fn open(app: &App, hub: &Hub, command: &Command) -> Result<()> {
    let Command::Submit { task, plan, step } = command else { return Ok(()) };
    let opened = match plan {
        None => open_item(hub, task)?,
        Some(plan) => open_step(hub, plan, step.as_deref())?,
    };
    if opened {
        app.say(format!("{} was blocked; it is open again", text::safe(task)));
    }
    Ok(())
}

fn open_item(hub: &Hub, task: &str) -> Result<bool> {
    let is_blocked = || {
        Ok::<_, anyhow::Error>(
            backlog::read(hub)?.item(task).and_then(|item| item.status()) == Some(ItemStatus::Blocked),
        )
    };
    if !is_blocked()? {
        return Ok(false);
    }
    trust::require_person("open blocked work again")?;
    let plan = backlog::read(hub)?.item(task).and_then(|item| item.plan().map(str::to_owned));
    let mut writer = hub.lock("coordinator submit")?;
    let mut act = Act::new(format!("open {task} again"));
    backlog::reopen(&writer, &mut act, task)?;
    writer.perform(act)?;
    drop(writer);
    // Its plan is where it was blocked.
    if let Some(plan) = plan.filter(|plan| plans::find(hub, plan).is_ok()) {
        open_step(hub, &plan, None)?;
    }
    Ok(true)
}

fn open_step(hub: &Hub, plan: &str, step: Option<&str>) -> Result<bool> {
    let found = plans::find(hub, plan)?;
    let wanted = match step {
        Some(id) => found.plan.step(id),
        None => found.plan.current_step(),
    };
    let Some(wanted) = wanted else { return Ok(false) };
    let (step, plan) = (wanted.status() == Some(Status::Blocked), found.plan.status() == Some(Status::Blocked));
    if !step && !plan {
        return Ok(false);
    }
    trust::require_person("open blocked work again")?;
    let mut writer = hub.lock("coordinator submit")?;
    let mut act = Act::new(format!("open {} again", found.id()));
    if plan {
        edit::set_status(&writer, &mut act, found.id(), Status::InProgress)?;
    }
    if let (true, Some(id)) = (step, wanted.id()) {
        let change = StepChange { status: Some(Status::InProgress), ..StepChange::default() };
        edit::set_step(&writer, &mut act, found.id(), id, &change)?;
    }
    // One that cannot be edited keeps its status; the work does not depend on it.
    vault::follow(&writer, &mut act, &found.plan, vault::IN_PROGRESS)?;
    writer.perform(act)?;
    Ok(true)
}
