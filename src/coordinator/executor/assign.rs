//! Assigns a task: writes the assignment, claim, backlog item, plan and work order.
//!
//! Every transaction here can be repeated: each first checks under the lock whether it was done, because taking the
//! lock completes a transaction that a crash interrupted.

use std::time::Duration;

use super::context::Executor;
use crate::base::{Refusal, Result, Stamp, files, text};
use crate::bus::{assignments, claims};
use crate::coordinator::state::input::Reply;
use crate::coordinator::state::{Job, Work};
use crate::guard::claim::Author;
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::assignment::AssignmentFile;
use crate::model::claim::ClaimFile;
use crate::model::plan::{Plan, Status};
use crate::model::run::job_name;
use crate::model::run::order::OrderFile;
use crate::ops::claims::{assign, claim, held};
use crate::ops::tasks::plan_edit::{self, Editor};
use crate::plans;
use crate::plans::requests::vault;
use crate::plans::{edit, of_request, requests};
use crate::receipts;

/// Assignment, claim, backlog item and step in one transaction; or a longer lease when the claim is ours already.
pub fn assign(executor: &mut Executor, job: &Job) -> Result<Reply> {
    let hub = executor.hub;
    let lease = hub.settings()?.worker.lease.max(Duration::from_secs(60));
    // Also when the work continues: it may have waited for longer than a session lasts.
    executor.renew_sessions(job)?;
    if let Some(epoch) = job.epoch {
        claim::renew(hub, &job.seat, &job.task, epoch, lease)?;
        return Ok(Reply::Assigned { epoch });
    }
    if let Some(claim) = ours(hub, job)? {
        return Ok(Reply::Assigned { epoch: claim.epoch() });
    }
    executor.permitted(job)?;
    let mut writer = hub.lock(&format!("assign {}", job.task))?;
    if let Some(claim) = ours(hub, job)? {
        // Taking the lock has completed any interrupted transaction.
        return Ok(Reply::Assigned { epoch: claim.epoch() });
    }
    held::Work::near(hub, &job.task, job.plan.as_deref())?.check(hub, "choice")?;
    let mut transaction = Transaction::new(format!("assign {} to {}", job.task, job.seat));
    let made = plan_of_origin(&writer, &mut transaction, executor.manager, job)?;
    let mut wish = assign::Request::new(Author::new(executor.manager), &job.task, &job.seat);
    wish.plan.clone_from(&job.plan);
    wish.note = Some(note(job));
    wish.lease = Some(lease);
    let done = assign::stage(&writer, &mut transaction, &wish)?;
    if let (Some(plan), Some(step)) = (&job.plan, &job.step)
        && !made
    {
        begin_step(&writer, &mut transaction, plan, step)?;
    }
    executor.own.remember(hub, &transaction);
    writer.commit(transaction)?;
    let epoch = done.claim.map_or(0, |done| done.claim.epoch);
    Ok(Reply::Assigned { epoch })
}

/// Creates a started plan for a request without one, in the claim's transaction; returns whether it did. The request
/// is read again, because it may have been withdrawn since it was chosen.
fn plan_of_origin(writer: &Writer<'_>, transaction: &mut Transaction, manager: &str, job: &Job) -> Result<bool> {
    let (Some(link), Some(plan)) = (&job.origin, &job.plan) else { return Ok(false) };
    let hub = writer.hub();
    let known = |found: &plans::PlanFile| found.plan.links().contains(&(link.kind.as_str(), link.to.as_str()));
    if plans::find(hub, plan).is_ok_and(|found| known(&found)) {
        return Ok(false);
    }
    if link.kind != requests::BACKLOG && requests::is_settling(hub, &link.to, hub.settings()?.sources.settle) {
        let what = format!("{} is not started yet", link.to);
        return Err(Refusal::guard("request.settling", what).because("it was written just now").into());
    }
    let wanted = requests::find(hub, link)?;
    let mut new = of_request::new_plan(hub, &wanted, link, plan)?;
    new.begun = true;
    plans::new::create(writer, transaction, &new)?;
    let maker = Editor::Seat(Author::new(manager));
    plan_edit::stage_creation_event(writer, transaction, &maker, "coordinator run", plan)?;
    match link.kind.as_str() {
        requests::BACKLOG => plans::backlog::set_plan(writer, transaction, &link.to, plan)?,
        vault::LINK => {
            let refuse = |why| Refusal::guard("request.status", format!("{} keeps its status", link.to)).because(why);
            vault::set(writer, transaction, &link.to, vault::IN_PROGRESS)?.map_err(|why: String| refuse(why))?;
        }
        _ => {}
    }
    Ok(true)
}

/// The assignment's note, which identifies the job's own claim after a crash.
fn note(job: &Job) -> String {
    format!("{NOTE}{}", job.id)
}

const NOTE: &str = "job ";

/// Whether the coordinator assigned the task for a job, and not somebody who wants that seat to have it.
pub(in crate::coordinator) fn is_for_a_job(hub: &Hub, manager: &str, task: &str) -> bool {
    let found = assignments::load(hub, task).ok().flatten();
    found.is_some_and(|found| names_a_job(&found.file, manager))
}

fn names_a_job(assignment: &AssignmentFile, manager: &str) -> bool {
    let job = assignment.note().and_then(|note| note.strip_prefix(NOTE));
    job.is_some_and(job_name::is_id) && assignment.manager() == Some(manager)
}

/// The live claim that was taken for this job.
pub(in crate::coordinator) fn ours(hub: &Hub, job: &Job) -> Result<Option<ClaimFile>> {
    let assigned = assignments::load(hub, &job.task)?.map(|found| found.file);
    if assigned.as_ref().and_then(|file| file.note()) != Some(note(job).as_str()) {
        return Ok(None);
    }
    let claim = claims::load(hub, &job.task)?.map(|found| found.file);
    Ok(claim.filter(|claim| claim.is_live() && claim.agent_id() == Some(job.seat.as_str())))
}

/// Under the lock: the step may have been done or blocked since it was chosen.
fn begin_step(writer: &Writer<'_>, transaction: &mut Transaction, plan: &str, step: &str) -> Result<()> {
    let found = plans::find(writer.hub(), plan)?;
    let status = found.plan.step(step).and_then(|step| step.status());
    if !matches!(status, Some(Status::Queued | Status::InProgress)) {
        let status = status.map_or("gone".to_owned(), |status| status.to_string());
        return Err(Refusal::guard("step.not_open", format!("step {step} of {plan} is {status}")).into());
    }
    if found.plan.status() == Some(Status::Queued) {
        edit::set_status(writer, transaction, plan, Status::InProgress)?;
    }
    let change = edit::StepChange { status: Some(Status::InProgress), ..Default::default() };
    edit::set_step(writer, transaction, plan, step, &change)?;
    follow(writer, transaction, &found.plan, vault::IN_PROGRESS)
}

/// Updates the status of the plan's feature request; if that fails, the work continues.
pub(in crate::coordinator) fn follow(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    plan: &Plan,
    status: &str,
) -> Result<()> {
    for left in vault::follow(writer, transaction, plan, status)? {
        tracing::warn!("{}", text::safe(&left));
    }
    Ok(())
}

/// Extends the lease of a waiting job, so that nobody takes its task meanwhile.
pub fn keep(executor: &mut Executor, job: &Job, until: Stamp) -> Result<Reply> {
    let Some(epoch) = job.epoch else { return Ok(Reply::Done) };
    let lease = until.since(executor.hub.now()) + executor.hub.settings()?.worker.lease;
    claim::renew(executor.hub, &job.seat, &job.task, epoch, lease)?;
    Ok(Reply::Done)
}

/// Writes the work order, once.
pub fn order(executor: &mut Executor, job: &Job) -> Result<Reply> {
    let hub = executor.hub;
    let path = super::orders::path(executor.manager, job);
    if let Some(work) = written(hub, &path)? {
        return Ok(Reply::Ordered { path, work });
    }
    let claim = claims::load(hub, &job.task)?.map(|found| found.file);
    let ours = claim.filter(|claim| claim.is_live() && Some(claim.epoch()) == job.epoch);
    let Some(claim) = ours else {
        return Ok(Reply::Refused { why: format!("{} lost its claim ({})", job.task, paths::claim(&job.task)) });
    };
    let order = super::orders::make(hub, executor.manager, job, &claim)?;
    let mut writer = hub.lock("write a work order")?;
    if let Some(work) = written(hub, &path)? {
        // Taking the lock has completed any interrupted transaction.
        return Ok(Reply::Ordered { path, work });
    }
    let mut transaction = Transaction::new(format!("order {}", job.id));
    receipts::write(&writer, &mut transaction, executor.manager, &path, super::orders::payload(&order))?;
    writer.commit(transaction)?;
    Ok(Reply::Ordered { path, work: Work::of(&order) })
}

/// The work of an existing order.
fn written(hub: &Hub, path: &str) -> Result<Option<Work>> {
    let full = hub.path(path)?;
    let Some(bytes) = files::read(&full, files::MAX_DOCUMENT)? else { return Ok(None) };
    Ok(Some(match OrderFile::parse(&bytes, &full)? {
        OrderFile::V2(order) => Work::of(&order),
        OrderFile::V1(_) => Work::default(),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_coordinators_own_note_marks_an_assignment_as_made_for_a_job() {
        let assignment = |manager: &str, note: &str| {
            let raw = json!({"manager": manager, "engineer": "ada", "note": note});
            AssignmentFile { raw: raw.as_object().unwrap().clone() }
        };
        for (manager, note, expected) in [
            ("manager", "job 20260105T120000Z-7", true),
            ("manager", "job for ada", false),
            ("manager", "job 20260105T120000Z-7: for ada", false),
            ("manager", "job 20260105T120000Z-7.2", false),
            ("operator", "job 20260105T120000Z-7", false),
        ] {
            assert_eq!(names_a_job(&assignment(manager, note), "manager"), expected, "{manager}: {note}");
        }
    }
}
