//! Decides about dirty hand-offs: clears them, or gives them to another seat.
//!
//! A decision is a receipt beside the one that it is about; nothing is moved or removed.

use serde_json::{Value, json};

use crate::base::{Refusal, Result, names};
use crate::bus::{events, messages};
use crate::guard::claim::{self, Author};
use crate::guard::operator::OPERATOR;
use crate::guard::secrets;
use crate::hub::{Hub, Transaction};
use crate::model::event::Event;
use crate::model::message::Message;
use crate::ops::context::with_recognition;
use crate::receipts;
use crate::seats::handoffs::{DECISION, Decision, Receipt, Status, all};
use crate::seats::{known, managers, retired};

/// Decides about every receipt that a seat looks after: `to` gives them to another seat, `None` clears them. Returns
/// the receipts' paths.
///
/// # Errors
/// `handoff.none` (exit 4) when it looks after none; `handoff.not_yours` for another seat than this one or a manager;
/// `seat.unknown` and `seat.retired` for such a `to`.
pub fn decide(hub: &Hub, author: &Author, seat: &str, to: Option<&str>, note: Option<&str>) -> Result<Vec<String>> {
    let what = if to.is_some() { "dashboard reassign" } else { "dashboard clear" };
    names::check_id("agent", seat)?;
    if let Some(note) = note {
        secrets::check_text("note", note)?;
    }
    if let Some(to) = to {
        known::require(hub, to)?;
        retired::refuse(hub, to, "take a hand-off")?;
    }
    check_author(hub, author, seat)?;
    let stale = claim::admit(hub, author, None, what)?;
    let mut writer = hub.lock(what)?;
    claim::check_inherited_epoch(hub)?;
    let pending: Vec<Receipt> = all(hub)?.into_iter().filter(|receipt| receipt.owner() == Some(seat)).collect();
    if pending.is_empty() {
        known::require(hub, seat)?;
        return Err(Refusal::not_found("handoff.none", format!("{seat} has no dirty hand-off"))
            .next("see all: teof dashboard")
            .into());
    }
    let mut transaction = Transaction::new(what);
    let paths: Vec<String> = pending.iter().map(|receipt| receipt.path.clone()).collect();
    for receipt in &pending {
        let decision = Decision {
            version: 1,
            ts: hub.now(),
            receipt: receipt.path.clone(),
            status: if to.is_some() { Status::Reassigned } else { Status::Cleared },
            to: to.map(str::to_owned),
            by: author.agent.clone(),
            note: note.map(str::to_owned),
        };
        let stem = format!("{}{DECISION}", receipt.path.trim_end_matches(".txt"));
        let path = hub.free_path(&stem, ".json")?;
        let Value::Object(payload) = json!(decision) else { anyhow::bail!("a decision is an object") };
        receipts::write(&writer, &mut transaction, &author.agent, &path, payload)?;
    }
    let changed = match to {
        Some(to) => format!("reassigned to {to}"),
        None => "cleared".to_owned(),
    };
    let note = note.map(|note| format!(": {note}")).unwrap_or_default();
    let mut event = Event::new(&author.agent, "observation", format!("Dirty handoff of {seat} {changed}{note}"));
    event.receipts.clone_from(&paths);
    events::stage(&writer, &mut transaction, &with_recognition(hub, author, event))?;
    if let Some(to) = to {
        let mut message = Message::new(
            &author.agent,
            "request",
            &messages::inbox(to),
            format!("The uncommitted changes that {seat} found are yours now{note}"),
        );
        message.receipts.clone_from(&paths);
        messages::stage(&writer, &mut transaction, &messages::inbox(to), &message)?;
    }
    if let Some(stale) = stale {
        stale.record(&mut transaction);
    }
    writer.commit(transaction)?;
    Ok(paths)
}

/// The seat itself, a manager, or a person.
fn check_author(hub: &Hub, author: &Author, seat: &str) -> Result<()> {
    let agent = author.agent.as_str();
    if agent == seat || agent == OPERATOR {
        return Ok(());
    }
    retired::refuse(hub, agent, &format!("decide about the hand-off of {seat}"))?;
    if managers::is(hub, agent)? {
        return Ok(());
    }
    Err(Refusal::guard("handoff.not_yours", format!("{agent} may not decide about the hand-off of {seat}"))
        .because("only that seat, a manager or a person may")
        .next(format!("ask for it: teof bus message --task agent-{seat} --type request --summary \"...\""))
        .into())
}
