//! Finalizes a job after its work: puts it under review, ends its claim, or reopens its task; each in one transaction
//! over claim, backlog and plan.
//!
//! Every transaction here can be repeated, as in [`assign`](super::assign).

use serde_json::json;

use super::assign::{follow, ours};
use super::context::Executor;
use super::refusals::{is_passing, why};
use super::workers;
use crate::base::{Refusal, Result, text};
use crate::bus::claims;
use crate::coordinator::state::input::{Reply, ReviewWord};
use crate::coordinator::state::{Ending, Job};
use crate::foreman::calls::notes;
use crate::guard::claim::Author;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::backlog::ItemStatus;
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::plan::{Plan, Status};
use crate::model::run::outcome::Outcome;
use crate::ops::claims::{claim, release};
use crate::ops::session::boot;
use crate::plans;
use crate::plans::edit;
use crate::plans::requests::vault;
use crate::receipts;

/// Extends the lease and notes in the step what it waits for: a review or an answer. The step's and the backlog's
/// status stay: the work is done when it is merged.
pub fn under_review(executor: &mut Executor, job: &Job) -> Result<Reply> {
    let hub = executor.hub;
    let lease = hub.settings()?.review.lease;
    boot::renew(hub, executor.manager)?;
    let mut writer = hub.lock(&format!("put {} under review", job.task))?;
    let Some(epoch) = job.epoch else { return Ok(lost(job)) };
    let mut transaction = Transaction::new(format!("put {} under review", job.task));
    claim::stage_renewal(&writer, &mut transaction, &job.seat, &job.task, epoch, lease)?;
    if let (Some(plan), Some(step)) = (&job.plan, &job.step) {
        let outcome = last_outcome(hub, job)?;
        let what = if job.asks() { "question" } else { "review" };
        let change = note(hub, job, what, outcome.as_ref())?;
        edit::set_step(&writer, &mut transaction, plan, step, &change)?;
    }
    executor.own.remember(hub, &transaction);
    writer.commit(transaction)?;
    Ok(Reply::Done)
}

/// Sets the step's status and result, ends the claim and sets the backlog's status in one transaction.
///
/// If the claim no longer belongs to the job, claim and step are left alone: the new holder continues both.
pub fn finalize(executor: &mut Executor, job: &Job, ending: Ending) -> Result<Reply> {
    let hub = executor.hub;
    boot::renew(hub, executor.manager)?;
    let mut writer = hub.lock(&format!("finalize {}", job.task))?;
    let claim = claims::load(hub, &job.task)?.map(|found| found.file);
    if job.is_merged() && claim.as_ref().is_none_or(|claim| !claim.is_live()) {
        return merged_late(&mut writer, executor, job, claim.as_ref());
    }
    let Some(epoch) = job.epoch.or(ours(hub, job)?.map(|claim| claim.epoch())) else { return Ok(Reply::Done) };
    let owned = claim.filter(|claim| claim.epoch() == epoch && claim.agent_id() == Some(job.seat.as_str()));
    match owned {
        None => return Ok(lost(job)),
        Some(claim) if !claim.is_live() => return Ok(Reply::Done),
        Some(_) => {}
    }
    let outcome = workers::outcome(hub, &job.run_id())?.or(last_outcome(hub, job)?);
    let mut transaction = Transaction::new(format!("finalize {} as {}", job.task, ending.as_str()));
    let (whole, left) = step_or_why(&writer, &mut transaction, job, ending, outcome.as_ref())?;
    let done = ending == Ending::Done && whole;
    let mut author = Author::new(&job.seat);
    author.epoch = Some(epoch);
    let status = if done { ClaimStatus::Done } else { ClaimStatus::Released };
    let request =
        release::Request { author, task: job.task.clone(), status, notes: Some(short_reason(job, ending.as_str())) };
    release::stage(&mut writer, &mut transaction, &request)?;
    if ending == Ending::Blocked && plans::backlog::read(hub)?.item(&job.task).is_some() {
        plans::backlog::set_status(&writer, &mut transaction, &job.task, ItemStatus::Blocked)?;
    }
    executor.own.remember(hub, &transaction);
    writer.commit(transaction)?;
    workers::forget(hub, &job.run_id());
    match ending {
        Ending::Done => notes::forget(hub, &job.known_as(), &job.task),
        _ => notes::keep(hub, &job.known_as(), &job.task),
    }
    Ok(left.map_or(Reply::Done, |why| Reply::Refused { why }))
}

/// The claim ended before, with the job: cancelled, blocked, released to another seat that released it, too. Work
/// merged since then is done anyway, and so is its claim.
fn merged_late(
    writer: &mut Writer<'_>,
    executor: &mut Executor,
    job: &Job,
    claim: Option<&ClaimFile>,
) -> Result<Reply> {
    let hub = executor.hub;
    let outcome = last_outcome(hub, job)?;
    let mut transaction = Transaction::new(format!("finalize {} as done", job.task));
    let (whole, left) = step_or_why(writer, &mut transaction, job, Ending::Done, outcome.as_ref())?;
    if let Some(holder) = claim.and_then(ClaimFile::agent_id).filter(|_| whole) {
        let (author, notes) = (Author::new(holder), Some(short_reason(job, Ending::Done.as_str())));
        let request = release::Request { author, task: job.task.clone(), status: ClaimStatus::Done, notes };
        release::stage(writer, &mut transaction, &request)?;
    }
    if whole && plans::backlog::read(hub)?.item(&job.task).is_some() {
        plans::backlog::set_status(writer, &mut transaction, &job.task, ItemStatus::Done)?;
    }
    if !transaction.is_empty() {
        executor.own.remember(hub, &transaction);
        writer.commit(transaction)?;
    }
    Ok(left.map_or(Reply::Done, |why| Reply::Refused { why }))
}

/// Sets the step, or returns why not (its plan is missing, a person set it) and stages nothing: the task is released
/// anyway.
fn step_or_why(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    job: &Job,
    ending: Ending,
    outcome: Option<&Outcome>,
) -> Result<(bool, Option<String>)> {
    let mut own = Transaction::new(format!("finalize {} as {}", job.task, ending.as_str()));
    match set_step(writer, &mut own, job, ending, outcome) {
        Ok(whole) => {
            *transaction = own;
            Ok((whole, None))
        }
        Err(e) => match Refusal::of(&e) {
            Some(refusal) if !is_passing(refusal) => Ok((false, Some(why(refusal)))),
            _ => Err(e),
        },
    }
}

/// The outcome of a job's previous run, when its current run has none.
fn last_outcome(hub: &Hub, job: &Job) -> Result<Option<Outcome>> {
    match &job.last {
        Some(last) => workers::outcome(hub, &last.run),
        None => Ok(None),
    }
}

/// Sets the step; returns whether the whole task ends with it (an item of a plan ends with the plan's last step).
fn set_step(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    job: &Job,
    ending: Ending,
    outcome: Option<&Outcome>,
) -> Result<bool> {
    let (Some(plan), Some(step)) = (&job.plan, &job.step) else { return Ok(true) };
    let found = plans::find(writer.hub(), plan)?;
    let status = match ending {
        Ending::Done => Some(Status::Done),
        Ending::Blocked => Some(Status::Blocked),
        // A step cannot go back to queued; without a claim, a step in progress may be chosen again.
        Ending::Cancelled | Ending::Dropped | Ending::Reverted => None,
    };
    let change = edit::StepChange { status, ..note(writer.hub(), job, ending.as_str(), outcome)? };
    edit::set_step(writer, transaction, plan, step, &change)?;
    let proven = !(found.plan.receipts().is_empty() && change.receipts.is_empty());
    let others_done =
        found.plan.steps().iter().filter(|s| s.id() != Some(step)).all(|step| step.status() == Some(Status::Done));
    let whole = ending == Ending::Done && others_done;
    // A plan with one step ends with it. For several steps a person must satisfy the checkpoint; teof asks once.
    let judged = whole && proven && is_whole(&found.plan);
    if judged {
        edit::set_checkpoint(writer, transaction, plan, "satisfied")?;
    }
    if judged || (whole && found.plan.checkpoint().status() == Some("satisfied")) {
        edit::set_status(writer, transaction, plan, Status::Done)?;
    }
    match ending {
        Ending::Done if whole => follow(writer, transaction, &found.plan, vault::DONE)?,
        // A revert sets its step and request itself.
        Ending::Done | Ending::Reverted => {}
        Ending::Blocked => follow(writer, transaction, &found.plan, vault::BLOCKED)?,
        Ending::Cancelled | Ending::Dropped => follow(writer, transaction, &found.plan, vault::PLANNED)?,
    }
    let stands_for_plan = plans::backlog::read(writer.hub())?.item(&job.task).is_some();
    Ok(whole || (ending == Ending::Done && !stands_for_plan))
}

/// Whether the plan needs no further decision: its only step is done, and merged where required.
fn is_whole(plan: &Plan) -> bool {
    let open = !matches!(plan.checkpoint().status(), Some("satisfied" | "superseded"));
    open && plan.steps().len() == 1
}

/// The result of the last run and its decision.
fn note(hub: &Hub, job: &Job, word: &str, outcome: Option<&Outcome>) -> Result<edit::StepChange> {
    let left = outcome.map(|outcome| outcome.receipts.clone()).unwrap_or_default();
    let listed = receipts::ledger::listed(&hub.root)?;
    let receipts: Vec<_> = left.into_iter().filter(|path| listed.contains_key(path)).collect();
    let run = job.last.as_ref().map_or_else(|| job.run_id(), |last| last.run.clone());
    let mut last_run = json!({ "outcome": word, "reason": short_reason(job, word), "run": run });
    // The plan's next step builds on this commit while it is not merged.
    let merged = job.decision.as_ref().and_then(|decision| match &decision.word {
        ReviewWord::Merged { commit } => Some(commit.as_str()),
        _ => None,
    });
    if let Some(commit) = merged.or(outcome.and_then(|outcome| outcome.commit.as_deref())) {
        last_run["commit"] = json!(commit);
    }
    if let Some(output) =
        outcome.and_then(|outcome| outcome.last_output.as_ref()).filter(|_| word != Ending::Done.as_str())
    {
        last_run["last_output"] = json!(output);
    }
    last_run["receipts"] = json!(receipts);
    Ok(edit::StepChange { last_run: Some(last_run), receipts, ..Default::default() })
}

fn short_reason(job: &Job, word: &str) -> String {
    let reason = job.last.as_ref().map_or(word, |last| &last.reason);
    text::clip(&text::safe(reason), 300)
}

fn lost(job: &Job) -> Reply {
    Reply::Refused { why: format!("{} no longer belongs to {}", job.task, job.seat) }
}

/// Reopens an item in progress that nobody holds.
pub fn reset(executor: &mut Executor, task: &str) -> Result<Reply> {
    let hub = executor.hub;
    let writer = hub.lock(&format!("reset {task}"))?;
    let live = claims::load(hub, task)?.is_some_and(|found| found.file.is_live());
    let status = plans::backlog::read(hub)?.item(task).and_then(|item| item.status());
    if live || status != Some(ItemStatus::InProgress) {
        return Ok(Reply::Done);
    }
    let mut writer = writer;
    let mut transaction = Transaction::new(format!("reset {task}"));
    plans::backlog::set_status(&writer, &mut transaction, task, ItemStatus::Pending)?;
    executor.own.remember(hub, &transaction);
    writer.commit(transaction)?;
    Ok(Reply::Done)
}
