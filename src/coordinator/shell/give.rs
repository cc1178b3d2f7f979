//! Giving a task and taking it back: each one act over claim, assignment, backlog and plan.
//!
//! Every act here can be repeated: it is asked whether it was done, under the lock, because taking
//! that completes an act that a crash interrupted.

use std::time::Duration;

use serde_json::json;

use super::perform::Hands;
use super::workers;
use crate::base::{Refusal, Result, files, text};
use crate::bus::{assignments, claims};
use crate::coordinator::input::Reply;
use crate::coordinator::state::{Ending, Job};
use crate::guard::claim::Author;
use crate::hub::{Act, Hub, Writer, paths};
use crate::model::backlog::ItemStatus;
use crate::model::claim::{ClaimFile, ClaimStatus};
use crate::model::outcome::Outcome;
use crate::model::plan::Status;
use crate::ops::{assign, boot, claim, release};
use crate::plans::{self, edit};
use crate::{bus, receipts};

/// Assignment, claim, backlog item and step in one act; or a longer lease when the claim is ours already.
pub fn give(hands: &mut Hands, job: &Job) -> Result<Reply> {
    let hub = hands.hub;
    let lease = hub.settings()?.worker.lease.max(Duration::from_secs(60));
    if let Some(epoch) = job.epoch {
        claim::renew(hub, &job.seat, &job.task, epoch, lease)?;
        return Ok(Reply::Given { epoch });
    }
    if let Some(claim) = ours(hub, job)? {
        return Ok(Reply::Given { epoch: claim.epoch() });
    }
    hands.permitted()?;
    boot::renew(hub, hands.manager)?;
    boot::renew(hub, &job.seat)?;
    let mut writer = hub.lock(&format!("give {}", job.task))?;
    if let Some(claim) = ours(hub, job)? {
        // Taking the lock has completed what a crash interrupted.
        return Ok(Reply::Given { epoch: claim.epoch() });
    }
    bus::holds::check(hub, &job.task, "choice")?;
    let mut act = Act::new(format!("give {} to {}", job.task, job.seat));
    let mut wish = assign::Request::new(Author::new(hands.manager), &job.task, &job.seat);
    wish.plan.clone_from(&job.plan);
    wish.note = Some(note(job));
    wish.lease = Some(lease);
    let done = assign::stage(&writer, &mut act, &wish)?;
    if let (Some(plan), Some(step)) = (&job.plan, &job.step) {
        begin_step(&writer, &mut act, plan, step)?;
    }
    hands.own.remember(hub, &act);
    writer.perform(act)?;
    let epoch = done.claim.map_or(0, |done| done.claim.epoch);
    Ok(Reply::Given { epoch })
}

/// What the assignment says about the job: by this the claim is known as the job's own after a crash.
fn note(job: &Job) -> String {
    format!("job {}", job.id)
}

/// The live claim that was taken for this job.
fn ours(hub: &Hub, job: &Job) -> Result<Option<ClaimFile>> {
    let assigned = assignments::load(hub, &job.task)?.map(|found| found.file);
    if assigned.as_ref().and_then(|file| file.note()) != Some(note(job).as_str()) {
        return Ok(None);
    }
    let claim = claims::load(hub, &job.task)?.map(|found| found.file);
    Ok(claim.filter(|claim| claim.is_live() && claim.agent_id() == Some(job.seat.as_str())))
}

/// Under the lock: the step may have been done or blocked since it was chosen.
fn begin_step(writer: &Writer<'_>, act: &mut Act, plan: &str, step: &str) -> Result<()> {
    let found = plans::find(writer.hub(), plan)?;
    let status = found.plan.step(step).and_then(|step| step.status());
    if !matches!(status, Some(Status::Queued | Status::InProgress)) {
        let status = status.map_or("gone".to_owned(), |status| status.to_string());
        return Err(Refusal::guard("step.not_open", format!("step {step} of {plan} is {status}")).into());
    }
    if found.plan.status() == Some(Status::Queued) {
        edit::set_status(writer, act, plan, Status::InProgress)?;
    }
    let change = edit::StepChange { status: Some(Status::InProgress), ..Default::default() };
    edit::set_step(writer, act, plan, step, &change)
}

/// The step's status with what the run left, the claim's end, the backlog's status: one act.
///
/// A claim that is not the job's any more is left alone, and the step with it: whoever took it over
/// goes on with both.
pub fn settle(hands: &mut Hands, job: &Job, ending: Ending) -> Result<Reply> {
    let hub = hands.hub;
    boot::renew(hub, hands.manager)?;
    let mut writer = hub.lock(&format!("settle {}", job.task))?;
    let Some(epoch) = job.epoch.or(ours(hub, job)?.map(|claim| claim.epoch())) else { return Ok(Reply::Done) };
    let claim = claims::load(hub, &job.task)?.map(|found| found.file);
    let owned = claim.filter(|claim| claim.epoch() == epoch && claim.agent_id() == Some(job.seat.as_str()));
    match owned {
        None => return Ok(Reply::Refused { why: format!("{} is not {}'s any more", job.task, job.seat) }),
        Some(claim) if !claim.is_live() => return Ok(Reply::Done),
        Some(_) => {}
    }
    let outcome = workers::outcome(hub, &job.run_id())?.or(last_outcome(hub, job)?);
    let mut act = Act::new(format!("settle {} as {}", job.task, ending.as_str()));
    let whole = set_step(&writer, &mut act, job, ending, outcome.as_ref())?;
    let done = ending == Ending::Done && whole;
    let mut author = Author::new(&job.seat);
    author.epoch = Some(epoch);
    let status = if done { ClaimStatus::Done } else { ClaimStatus::Released };
    let request = release::Request { author, task: job.task.clone(), status, notes: Some(words(job, ending)) };
    release::stage(&mut writer, &mut act, &request)?;
    if ending == Ending::Blocked && plans::backlog::read(hub)?.item(&job.task).is_some() {
        plans::backlog::set_status(&writer, &mut act, &job.task, ItemStatus::Blocked)?;
    }
    hands.own.remember(hub, &act);
    writer.perform(act)?;
    workers::forget(hub, &job.run_id());
    Ok(Reply::Done)
}

/// The outcome that a job's last run left, when its current run left none.
fn last_outcome(hub: &Hub, job: &Job) -> Result<Option<Outcome>> {
    match &job.last {
        Some(last) => workers::outcome(hub, &last.run),
        None => Ok(None),
    }
}

/// Sets the step; says whether the task as a whole ends with it (an item that stands for a plan ends
/// with the plan's last step).
fn set_step(writer: &Writer<'_>, act: &mut Act, job: &Job, ending: Ending, outcome: Option<&Outcome>) -> Result<bool> {
    let (Some(plan), Some(step)) = (&job.plan, &job.step) else { return Ok(true) };
    let found = plans::find(writer.hub(), plan)?;
    let status = match ending {
        Ending::Done => Some(Status::Done),
        Ending::Blocked => Some(Status::Blocked),
        // There is no way back to queued; without a claim, a step in progress may be chosen again.
        Ending::Cancelled | Ending::Dropped => None,
    };
    let left = outcome.map(|outcome| outcome.receipts.clone()).unwrap_or_default();
    let listed = receipts::ledger::listed(&writer.hub().root)?;
    let receipts: Vec<_> = left.into_iter().filter(|path| listed.contains_key(path)).collect();
    let run = job.last.as_ref().map_or_else(|| job.run_id(), |last| last.run.clone());
    let mut last_run = json!({ "outcome": ending.as_str(), "reason": words(job, ending), "run": run });
    // The plan's next step builds on it while nobody has merged it.
    if let Some(commit) = outcome.and_then(|outcome| outcome.commit.as_deref()) {
        last_run["commit"] = json!(commit);
    }
    last_run["receipts"] = json!(receipts);
    let change = edit::StepChange { status, last_run: Some(last_run), receipts, ..Default::default() };
    edit::set_step(writer, act, plan, step, &change)?;
    let others_done =
        found.plan.steps().iter().filter(|s| s.id() != Some(step)).all(|step| step.status() == Some(Status::Done));
    let whole = ending == Ending::Done && others_done;
    // A checkpoint is a person's to satisfy: until then the plan stays open, and is reported once.
    if whole && found.plan.checkpoint().status() == Some("satisfied") {
        edit::set_status(writer, act, plan, Status::Done)?;
    }
    let stands_for_plan = plans::backlog::read(writer.hub())?.item(&job.task).is_some();
    Ok(whole || (ending == Ending::Done && !stands_for_plan))
}

fn words(job: &Job, ending: Ending) -> String {
    let reason = job.last.as_ref().map_or_else(|| ending.as_str().to_owned(), |last| last.reason.clone());
    text::clip(&text::safe(&reason), 300)
}

/// An item in progress that nobody has is open again.
pub fn reset(hands: &mut Hands, task: &str) -> Result<Reply> {
    let hub = hands.hub;
    let writer = hub.lock(&format!("reset {task}"))?;
    let live = claims::load(hub, task)?.is_some_and(|found| found.file.is_live());
    let status = plans::backlog::read(hub)?.item(task).and_then(|item| item.status());
    if live || status != Some(ItemStatus::InProgress) {
        return Ok(Reply::Done);
    }
    let mut writer = writer;
    let mut act = Act::new(format!("reset {task}"));
    plans::backlog::set_status(&writer, &mut act, task, ItemStatus::Pending)?;
    hands.own.remember(hub, &act);
    writer.perform(act)?;
    Ok(Reply::Done)
}

/// Writes the work order, once.
pub fn order(hands: &mut Hands, job: &Job) -> Result<Reply> {
    let hub = hands.hub;
    let path = super::orders::path(hands.manager, job);
    if files::read(&hub.path(&path)?, files::MAX_DOCUMENT)?.is_some() {
        return Ok(Reply::Ordered { path });
    }
    let claim = claims::load(hub, &job.task)?.map(|found| found.file);
    let ours = claim.filter(|claim| claim.is_live() && Some(claim.epoch()) == job.epoch);
    let Some(claim) = ours else {
        return Ok(Reply::Refused { why: format!("{} lost its claim ({})", job.task, paths::claim(&job.task)) });
    };
    let order = super::orders::make(hub, hands.manager, job, &claim)?;
    let mut writer = hub.lock("write a work order")?;
    if hub.path(&path)?.exists() {
        // Taking the lock has completed what a crash interrupted.
        return Ok(Reply::Ordered { path });
    }
    let mut act = Act::new(format!("order {}", job.id));
    receipts::write(&writer, &mut act, hands.manager, &path, super::orders::payload(&order))?;
    writer.perform(act)?;
    Ok(Reply::Ordered { path })
}
