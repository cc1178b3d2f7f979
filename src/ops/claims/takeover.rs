//! Takes over or pauses a task that another seat holds, when that holder may be replaced.

use super::claim::{self, Done, event, facts, mirror_claim, missing};
use super::held::{self, Work};
use super::{exclusive, prerequisites};
use crate::base::Result;
use crate::bus::claim_rules;
use crate::bus::{claims, events, messages};
use crate::guard::claim::Author;
use crate::guard::secrets;
use crate::hub::{self, Hub, Transaction, Writer};
use crate::model::claim::Claim;
use crate::model::message::Message;
use crate::ops::context::{self, Answer, Call};
use crate::seats::retired;

/// Takes a task over from its holder; `reason` goes into the event and a message to that seat.
///
/// # Errors
/// `claim.not_expired`, `claim.running` (exit 3), `claim.not_found` (exit 4), `task.on_hold` (exit 1).
pub fn take_over(hub: &Hub, request: &claim::Request, reason: &str, repeat: Option<&hub::Request>) -> Result<Answer> {
    let claim::Request { author, task, .. } = request;
    let call = Call { command: "bus takeover", author, task, bound: true, request: repeat };
    context::run(hub, &call, |writer, transaction| Ok(stage(writer, transaction, request, reason)?.into_answer()))
}

/// Stages a takeover in a transaction; does not check sessions.
pub fn stage(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    request: &claim::Request,
    reason: &str,
) -> Result<Done> {
    crate::bus::check_text("reason", reason)?;
    secrets::check_text("reason", reason)?;
    let hub = writer.hub();
    let claim_request = claim::claim_request(request)?;
    retired::refuse(hub, &claim_request.agent, &format!("take {} over", claim_request.task))?;
    let found = claims::load(hub, &claim_request.task)?.ok_or_else(|| missing(hub, &claim_request.task))?;
    let old = found.claim(hub)?;
    held::check(hub, &claim_request.task, "takeover")?;
    let decision = claim_rules::take_over(&old, &claim_request, facts(hub, &request.author, Some(&old), true)?)?;
    let work = Work::near(hub, &claim_request.task, decision.claim.plan_id.as_deref())?;
    prerequisites::check(hub, &claim_request.task, decision.claim.plan_id.as_deref(), "taken over")?;
    exclusive::check(hub, &work, &claim_request.agent)?;
    work.check(hub, "takeover")?;
    claims::stage(transaction, Some(&found), &decision.claim)?;
    let mut done = Done { claim: decision.claim, from: decision.from, event: None, remarks: Vec::new() };
    let summary = format!("{} took {} over from {}: {reason}", claim_request.agent, claim_request.task, old.agent_id);
    let event = event(&done, "claim", summary).meta("takeover", true).meta("reason", reason);
    done.event = Some(events::stage(writer, transaction, &context::with_recognition(hub, &request.author, event))?);
    notify_holder(
        writer,
        transaction,
        &old,
        &claim_request.agent,
        &format!("{} took {} over from you", claim_request.agent, claim_request.task),
        reason,
    )?;
    mirror_claim(writer, transaction, &mut done)?;
    Ok(done)
}

/// Pauses the seat's own claim, or another's whose holder may be replaced.
///
/// # Errors
/// As [`take_over`], and `claim.ended` when nobody holds the task.
pub fn pause(hub: &Hub, author: &Author, task: &str, reason: &str, repeat: Option<&hub::Request>) -> Result<Answer> {
    let call = Call { command: "bus pause", author, task, bound: true, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        claim::not_running(hub, author, task)?;
        Ok(stage_pause(writer, transaction, author, task, reason)?.into_answer())
    })
}

/// Stages a pause in a transaction; does not check sessions.
pub fn stage_pause(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    author: &Author,
    task: &str,
    reason: &str,
) -> Result<Done> {
    crate::bus::check_text("reason", reason)?;
    secrets::check_text("reason", reason)?;
    let hub = writer.hub();
    let found = claims::load(hub, task)?.ok_or_else(|| missing(hub, task))?;
    let old = found.claim(hub)?;
    if let Some(epoch) = author.epoch {
        claim_rules::fence(&old, &author.agent, epoch)?;
    }
    let others = Some(&old).filter(|old| old.agent_id != author.agent);
    let decision = claim_rules::pause(&old, &author.agent, reason, facts(hub, author, others, true)?)?;
    claims::stage(transaction, Some(&found), &decision.claim)?;
    let mut done = Done { claim: decision.claim, from: decision.from, event: None, remarks: Vec::new() };
    let mut paused = event(&done, "pause", format!("{} paused {task}: {reason}", author.agent)).meta("reason", reason);
    paused.agent_id = author.agent.clone();
    done.event = Some(events::stage(writer, transaction, &context::with_recognition(hub, author, paused))?);
    if others.is_some() {
        notify_holder(
            writer,
            transaction,
            &old,
            &author.agent,
            &format!("{} paused your claim of {task}", author.agent),
            reason,
        )?;
    }
    Ok(done)
}

/// Sends a message to the previous holder.
fn notify_holder(
    writer: &Writer<'_>,
    transaction: &mut Transaction,
    old: &Claim,
    from: &str,
    summary: &str,
    reason: &str,
) -> Result<()> {
    let mut message = Message::new(from, "note", &old.task_id, summary).meta("epoch", old.epoch);
    message.note = Some(reason.to_owned());
    message.to = Some(old.agent_id.clone());
    messages::stage(writer, transaction, &messages::inbox(&old.agent_id), &message)
}
