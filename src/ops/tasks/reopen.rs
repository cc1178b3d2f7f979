//! Reopens blocked work for a person: the blocked step and plan, the plan's backlog items, and its request, in one
//! transaction.

use crate::base::{Refusal, Result};
use crate::guard::operator;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::backlog::{Item, ItemStatus};
use crate::model::plan::Status;
use crate::plans;
use crate::plans::edit::{self, StepChange};
use crate::plans::requests::front_matter::FrontMatter;
use crate::plans::requests::vault;
use crate::plans::{backlog, requests};

/// What to reopen.
#[derive(Clone, Copy, Debug, Default)]
pub struct ReopenRequest<'a> {
    /// A backlog item.
    pub item: Option<&'a str>,
    /// The plan that does the work.
    pub plan: Option<&'a str>,
    /// One of its steps; the next one when `None`.
    pub step: Option<&'a str>,
    /// The path of a vault request without a plan.
    pub request: Option<&'a str>,
}

/// Reopens the blocked parts of the work; false when nothing was blocked.
///
/// # Errors
/// In a worker's children, because blocked work waits for a person; `step.not_next` for a step whose turn has not come.
pub fn reopen(hub: &Hub, request: ReopenRequest) -> Result<bool> {
    // Most work is open, and whoever holds the lock may have it for seconds.
    if !is_blocked(hub, request)? {
        return Ok(false);
    }
    let mut writer = hub.lock("reopen blocked work")?;
    let mut transaction = Transaction::new("reopen blocked work");
    if let Some(plan) = request.plan {
        reopen_step(&writer, &mut transaction, plan, request.step)?;
    }
    reopen_items(&writer, &mut transaction, request)?;
    if let Some(path) = request.request {
        reopen_request(&writer, &mut transaction, path)?;
    }
    if transaction.is_empty() {
        return Ok(false);
    }
    operator::require("reopen blocked work")?;
    writer.commit(transaction)?;
    Ok(true)
}

/// Whether a part of the work is blocked.
fn is_blocked(hub: &Hub, request: ReopenRequest) -> Result<bool> {
    let plan = request.plan.map(|plan| plans::find(hub, plan)).transpose()?;
    let by_plan = plan.is_some_and(|found| {
        let wanted = request.step.map_or_else(|| found.plan.current_step(), |id| found.plan.step(id));
        let step = wanted.and_then(|step| step.status());
        [found.plan.status(), step].contains(&Some(Status::Blocked))
    });
    let backlog = backlog::read(hub)?;
    let by_item = backlog.items().iter().any(|item| is_meant(item, request));
    Ok(by_plan || by_item || request.request.is_some_and(|path| is_request_blocked(hub, path)))
}

/// Whether it is a blocked item of the work.
fn is_meant(item: &Item<'_>, request: ReopenRequest) -> bool {
    let meant = item.id() == request.item || (request.plan.is_some() && item.plan() == request.plan);
    meant && item.id().is_some() && matches!(item.status(), None | Some(ItemStatus::Blocked))
}

/// Reopens the item itself and every item of the plan: while one is blocked, its plan is not chosen.
fn reopen_items(writer: &Writer<'_>, transaction: &mut Transaction, request: ReopenRequest) -> Result<()> {
    let backlog = backlog::read(writer.hub())?;
    for item in backlog.items().iter().filter(|item| is_meant(item, request)) {
        if let Some(id) = item.id() {
            backlog::reopen(writer, transaction, id)?;
        }
    }
    Ok(())
}

fn reopen_step(writer: &Writer<'_>, transaction: &mut Transaction, plan: &str, step: Option<&str>) -> Result<()> {
    let found = plans::find(writer.hub(), plan)?;
    let wanted = step.map_or_else(|| found.plan.current_step(), |id| found.plan.step(id));
    let Some(wanted) = wanted else { return Ok(()) };
    if found.plan.status() == Some(Status::Blocked) {
        edit::set_status(writer, transaction, found.id(), Status::InProgress)?;
    }
    if let (Some(Status::Blocked), Some(id)) = (wanted.status(), wanted.id()) {
        // A blocked step can only become in progress, and a later one that is would keep the next one from starting.
        if let Some(next) = found.plan.current_step().and_then(|step| step.id()).filter(|next| *next != id) {
            return Err(not_next(found.id(), id, next).into());
        }
        let change = StepChange { status: Some(Status::InProgress), ..StepChange::default() };
        edit::set_step(writer, transaction, found.id(), id, &change)?;
    }
    if !transaction.is_empty() {
        // A request that cannot be edited keeps its status; the work does not depend on it.
        vault::follow(writer, transaction, &found.plan, vault::IN_PROGRESS)?;
    }
    Ok(())
}

fn not_next(plan: &str, step: &str, next: &str) -> Refusal {
    Refusal::guard("step.not_next", format!("step {step} of {plan} is blocked, and its turn has not come"))
        .because(format!("steps run in order, and {next} is not done"))
        .next(format!("do that one first: teof coordinator submit {plan}/{next}"))
}

/// A blocked request without a plan is planned again.
fn reopen_request(writer: &Writer<'_>, transaction: &mut Transaction, path: &str) -> Result<()> {
    if is_request_blocked(writer.hub(), path) {
        // If it cannot be set, selecting it later reports the reason.
        let _ = vault::set(writer, transaction, path, vault::PLANNED)?;
    }
    Ok(())
}

fn is_request_blocked(hub: &Hub, path: &str) -> bool {
    let text = requests::text_of(hub, path).unwrap_or_default();
    FrontMatter::read(&text).is_ok_and(|found| found.status() == Some(vault::BLOCKED))
}
