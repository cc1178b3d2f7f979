//! Releases or pauses one's own claim: the claim, its event and the backlog's status, in one transaction.

use super::claim::{Done, event, mirror_claim, missing, not_running};
use super::held;
use crate::base::{Refusal, Result};
use crate::bus::claim_rules::{self, Notes};
use crate::bus::{claims, events};
use crate::guard::claim::{Author, refuse};
use crate::guard::secrets;
use crate::hub::{self, Hub, Transaction, Writer};
use crate::model::claim::ClaimStatus;
use crate::ops::context::{self, Answer, Call};

/// What the holder asks for.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    pub task: String,
    /// Done, released or paused.
    pub status: ClaimStatus,
    /// Replace the claim's notes if given (the playbook: bus_claim).
    pub notes: Option<String>,
}

/// Releases a claim. The same release again changes nothing.
///
/// # Errors
/// `claim.not_found` (exit 4); `claim.held` and `claim.epoch` (exit 3), which add a line to the seat's error log;
/// `task.on_hold` (exit 1), which does not prevent pausing.
pub fn release(hub: &Hub, request: &Request, repeat: Option<&hub::Request>) -> Result<Answer> {
    let Request { author, task, .. } = request;
    let call = Call { command: "bus release", author, task, bound: true, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        not_running(hub, author, task)?;
        Ok(stage(writer, transaction, request)?.into_answer())
    })
}

/// Stages a release in a transaction; does not check sessions. A refusal is logged at once.
pub fn stage(writer: &mut Writer<'_>, transaction: &mut Transaction, request: &Request) -> Result<Done> {
    let Request { author, task, status, .. } = request;
    if *status == ClaimStatus::Active {
        return Err(Refusal::usage("release.status", "the status of a release must be done, released or paused").into());
    }
    let hub = writer.hub();
    let notes = Notes::from_flags(request.notes.clone(), false);
    if let Notes::Set(notes) = &notes {
        crate::bus::check_length("notes", notes)?;
        secrets::check_text("notes", notes)?;
    }
    let found = claims::load(hub, task)?.ok_or_else(|| missing(hub, task))?;
    let old = found.claim(hub)?;
    let fenced = author.epoch.map_or(Ok(()), |epoch| claim_rules::fence(&old, &author.agent, epoch));
    let claim = fenced
        .and_then(|()| claim_rules::release(&old, &author.agent, *status, &notes, hub.now()))
        .map_err(|refusal| refuse(writer, author, task, "release", Some(&found.file), refusal))?;
    let mut done = Done { claim, from: None, event: None, remarks: Vec::new() };
    if old.status == *status && done.claim.notes == old.notes {
        done.claim = old;
        return Ok(done);
    }
    if !status.is_live() {
        held::check(hub, task, "release")?;
    }
    claims::stage(transaction, Some(&found), &done.claim)?;
    let summary = match status {
        ClaimStatus::Paused => format!("{} paused {task}", author.agent),
        status => format!("{} released {task} ({status})", author.agent),
    };
    done.event = Some(events::stage(
        writer,
        transaction,
        &context::with_recognition(writer.hub(), author, event(&done, "release", summary)),
    )?);
    mirror_claim(writer, transaction, &mut done)?;
    Ok(done)
}
