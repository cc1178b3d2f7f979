//! Dirty hand-offs: receipts of uncommitted changes that a boot found, and what was decided about them.
//!
//! A decision is a receipt beside the one that it is about; nothing is moved or removed.

use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::base::{Refusal, Result, Stamp, files, names, text};
use crate::bus::{events, messages};
use crate::guard::claim::{self, Author};
use crate::guard::operator::OPERATOR;
use crate::guard::secrets;
use crate::hub::{Hub, Transaction, paths};
use crate::model::event::Event;
use crate::model::message::Message;
use crate::ops::context::with_recognition;
use crate::receipts;
use crate::seats::{known, manifest, session};

/// How many changes of a receipt are kept for people, and how long each may be, in characters.
const PREVIEW: usize = 5;
const LINE: usize = 160;
/// In the names of decisions, between the receipt's and `.json`.
const DECISION: &str = ".decision";

/// A receipt of uncommitted changes.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The seat that found them.
    pub seat: String,
    /// Relative to the hub.
    pub path: String,
    pub captured_at: Option<Stamp>,
    /// The first changes, as git names them.
    pub preview: Vec<String>,
    /// The latest decision.
    pub decision: Option<Decision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The changes are committed, or gone.
    Cleared,
    /// Another seat looks after them.
    Reassigned,
}

/// What was decided about a receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    pub version: u32,
    pub ts: Stamp,
    pub receipt: String,
    pub status: Status,
    /// The seat that looks after the changes now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Receipt {
    /// Who looks after the changes; `None` once they are cleared.
    pub fn owner(&self) -> Option<&str> {
        match &self.decision {
            Some(Decision { status: Status::Cleared, .. }) => None,
            Some(Decision { to: Some(to), .. }) => Some(to),
            _ => Some(&self.seat),
        }
    }
}

/// Every receipt, by seat and oldest first.
pub fn all(hub: &Hub) -> Result<Vec<Receipt>> {
    let mut seats = session::agents(hub);
    seats.sort();
    let mut found = Vec::new();
    for seat in seats {
        found.extend(of_seat(hub, &seat)?);
    }
    Ok(found)
}

fn of_seat(hub: &Hub, seat: &str) -> Result<Vec<Receipt>> {
    let folder = format!("{}/dirty-handoff", paths::session(seat));
    let entries = fs::read_dir(hub.path(&format!("{folder}/x"))?.with_file_name("")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // Of several decisions about one receipt the later has the longer name.
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let receipts = names.iter().filter_map(|name| name.strip_suffix(".txt"));
    receipts.map(|stem| read(hub, seat, &folder, stem, &names)).collect()
}

fn read(hub: &Hub, seat: &str, folder: &str, stem: &str, names: &[String]) -> Result<Receipt> {
    let path = format!("{folder}/{stem}.txt");
    let bytes = files::read(&hub.path(&path)?, files::MAX_DOCUMENT).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let captured = text.lines().find_map(|line| line.strip_prefix("# captured_at="));
    let changes = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut decisions: Vec<Decision> = Vec::new();
    let own = format!("{stem}{DECISION}");
    for name in names.iter().filter(|name| name.starts_with(&own) && name.ends_with(".json")) {
        let bytes = files::read(&hub.path(&format!("{folder}/{name}"))?, files::MAX_DOCUMENT).ok().flatten();
        decisions.extend(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()));
    }
    Ok(Receipt {
        seat: seat.to_owned(),
        captured_at: captured.and_then(Stamp::parse),
        preview: changes.take(PREVIEW).map(|line| text::clip(&text::safe(line.trim_end()), LINE)).collect(),
        // Of those of one second the last counts.
        decision: decisions.into_iter().max_by_key(|decision| decision.ts),
        path,
    })
}

/// Decides about every receipt that a seat looks after: `to` gives them to another seat, `None` clears them. Returns
/// the receipts' paths.
///
/// # Errors
/// `handoff.none` (exit 4) when it looks after none; `handoff.not_yours` for another seat than this one or a manager;
/// `seat.unknown` for an unknown `to`.
pub fn decide(hub: &Hub, author: &Author, seat: &str, to: Option<&str>, note: Option<&str>) -> Result<Vec<String>> {
    let what = if to.is_some() { "dashboard reassign" } else { "dashboard clear" };
    names::check_id("agent", seat)?;
    if let Some(note) = note {
        secrets::check_text("note", note)?;
    }
    if let Some(to) = to {
        known::require(hub, to)?;
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
    let manages = || -> Result<bool> {
        let is_declared = manifest::of(hub, agent)?.is_some_and(|found| found.seat.is_manager());
        Ok(is_declared || hub.settings()?.coordinator.manager == agent)
    };
    if agent == seat || agent == OPERATOR || manages()? {
        return Ok(());
    }
    Err(Refusal::guard("handoff.not_yours", format!("{agent} may not decide about the hand-off of {seat}"))
        .because("only that seat, a manager or a person may")
        .next(format!("ask for it: teof bus message --task agent-{seat} --type request --summary \"...\""))
        .into())
}
