//! Starts a session for a seat (the playbook, session loop 1 and 2).
//!
//! All checks come first and write nothing: seat, manifest, branch, tree, remote. Then one transaction writes the
//! handshake, the session's timestamp file, the inbox tail, overrides, and the receipt of a dirty tree. One
//! exception: when a dirty tree stops the boot, its receipt and observation are written anyway, so that the owner
//! learns about it.

use std::path::PathBuf;

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::base::{Refusal, Result, digest, json};
use crate::bus::{claims, events};
use crate::guard::{operator, secrets};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::event::Event;
use crate::receipts::{self, ledger};
use crate::seats;
use crate::seats::freshness::{self, Freshness};
use crate::seats::retired;
use crate::seats::session::{self, Inbox, Purpose};

use super::place::{self, Allow, Auto, Place};
use super::sync::{self, Synced};
use crate::ops::presence::status::{self, Preset, Query};

/// How many lines of manager-report a session shows by default (the playbook: session_boot).
pub const TAIL: usize = 10;

/// The options.
#[derive(Clone, Debug)]
pub struct BootRequest {
    /// The seat; `None`: `TEOF_AGENT`, else the manifest's.
    pub agent: Option<String>,
    /// Use a free seat of the pool instead.
    pub auto: Option<Auto>,
    pub summary: String,
    pub focus: Option<String>,
    /// Whether to log the handshake.
    pub announce: bool,
    pub sync: bool,
    /// Sync despite uncommitted changes, which are kept and reported.
    pub allow_dirty: bool,
    /// Save the output of `bus status --preset` as a receipt.
    pub status: Option<Preset>,
    /// How many lines of manager-report to save; `None` leaves the session without a timestamp.
    pub tail: Option<usize>,
    /// How many inbox messages to save; `None`: none.
    pub inbox: Option<usize>,
    pub allow_manifest_mismatch: bool,
    pub allow_branch_mismatch: bool,
    /// Between 0 and 1, with a note.
    pub confidence: Option<(f64, Option<String>)>,
}

/// The result of a boot.
#[derive(Clone, Debug, Serialize)]
pub struct Boot {
    pub agent_id: String,
    pub branch: Option<String>,
    /// Where the session works.
    pub worktree: PathBuf,
    /// The id of the handshake.
    pub event: Option<String>,
    pub sync: Option<Synced>,
    /// The receipt of a dirty tree.
    pub dirty_handoff: Option<String>,
    /// The receipt of the bus status.
    pub status_receipt: Option<String>,
    /// The receipt of the dashboard, which is written after the boot.
    pub dashboard_receipt: Option<String>,
    /// The worktree's manifest was swapped to this seat's.
    pub manifest_swapped: bool,
    pub warnings: Vec<String>,
    pub peers: Vec<Peer>,
    pub manager_report: Vec<String>,
    pub inbox: Vec<String>,
    pub unread: usize,
}

/// A live claim of another seat.
#[derive(Clone, Debug, Serialize)]
pub struct Peer {
    pub agent_id: String,
    pub task_id: String,
    pub status: String,
    pub branch: Option<String>,
}

/// Boots a session, or refuses without a handshake. `progress` receives messages while it waits.
pub fn boot(hub: &Hub, request: &BootRequest, progress: &dyn Fn(&str)) -> Result<Boot> {
    let said = [
        Some(&request.summary),
        request.focus.as_ref(),
        request.confidence.as_ref().and_then(|(_, note)| note.as_ref()),
    ];
    said.into_iter().flatten().try_for_each(|said| secrets::check_text("session", said))?;
    let (named, by_variable) = seats::named(request.agent.as_deref())?;
    let tentative = match (&request.auto, named) {
        (Some(_), Some(named)) => return Err(place::named_and_auto(&named).into()),
        (Some(auto), None) => place::free_seat(hub, auto)?,
        (None, Some(named)) => named,
        (None, None) => seats::resolve(hub, None)?,
    };
    let allow = Allow {
        any_seat: request.auto.is_some(),
        manifest_mismatch: request.allow_manifest_mismatch,
        branch_mismatch: request.allow_branch_mismatch,
    };
    let mut place = place::place(hub, &tentative, by_variable, allow)?;
    let dirt = if request.sync { sync::dirt(hub, &hub.here)? } else { Vec::new() };
    if !dirt.is_empty() && !request.allow_dirty {
        return Err(refuse_dirty(hub, &place.agent, &dirt)?);
    }
    let synced = if request.sync { Some(sync::sync(hub, progress)?) } else { None };
    let mut writer = hub.lock("session-boot")?;
    // Another boot may have taken the seat or started a session in this folder meanwhile; under the lock none can.
    let agent = match &request.auto {
        Some(auto) => place::free_seat(hub, auto)?,
        None => place.agent,
    };
    place = place::place(hub, &agent, by_variable, allow)?;
    let (transaction, mut boot) = stage(&writer, &place, request, &dirt)?;
    boot.sync = synced;
    writer.commit(transaction)?;
    // Under the lock, so that the next boot sees who uses this folder.
    if let Some(swap) = &place.swap {
        swap.perform(hub)?;
    }
    drop(writer);
    Ok(boot)
}

/// Makes a seat's session fresh for another `session.max_age`, with a handshake: for the coordinator and its workers.
/// It uses no network and does not read the tree. Returns `false` and does nothing while less than half of that time
/// has passed.
pub fn renew(hub: &Hub, agent: &str) -> Result<bool> {
    renew_for(hub, agent, Purpose::Unattended)
}

/// Like [`renew`], for whom the session is.
pub fn renew_for(hub: &Hub, agent: &str, purpose: Purpose) -> Result<bool> {
    if let Freshness::Fresh { age } = freshness::check(hub, agent, None)?
        && age < hub.settings()?.session.max_age / 2
    {
        return Ok(false);
    }
    let mut writer = hub.lock("renew a session")?;
    let mut transaction = Transaction::new(format!("renew the session of {agent}"));
    stage_renewal_for(&writer, &mut transaction, agent, purpose)?;
    writer.commit(transaction)?;
    Ok(true)
}

/// Like [`renew`], in the caller's transaction and for any age of the session.
pub fn stage_renewal(writer: &Writer<'_>, transaction: &mut Transaction, agent: &str) -> Result<()> {
    stage_renewal_for(writer, transaction, agent, Purpose::Unattended)
}

fn stage_renewal_for(writer: &Writer<'_>, transaction: &mut Transaction, agent: &str, purpose: Purpose) -> Result<()> {
    session::stage_tail(writer.hub(), transaction, agent, TAIL, purpose)?;
    events::stage(writer, transaction, &handshake(agent, "Session renewed", None)).map(drop)
}

/// Stages everything that the boot writes into the record.
fn stage(writer: &Writer<'_>, place: &Place, request: &BootRequest, dirt: &[String]) -> Result<(Transaction, Boot)> {
    let hub = writer.hub();
    let agent = &place.agent;
    let mut transaction = Transaction::new(format!("session-boot {agent}"));
    for warning in &place.warnings {
        transaction.append(format!("{}/session_guard/warnings.jsonl", paths::agent(agent)), &warning.line(hub, agent));
    }
    let dirty_handoff = if dirt.is_empty() { None } else { Some(stage_dirty(writer, &mut transaction, agent, dirt)?) };
    let event = match request.announce {
        true => Some(events::stage(
            writer,
            &mut transaction,
            &handshake(agent, &request.summary, request.focus.as_deref()),
        )?),
        false => None,
    };
    if let Some((value, note)) = &request.confidence {
        let mut line = json!({ "ts": hub.now(), "agent": agent, "confidence": value });
        if let Some(note) = note {
            line["note"] = json!(note);
        }
        transaction
            .append(format!("{}/confidence.jsonl", paths::agent(agent)), (json::compact(&line) + "\n").as_bytes());
    }
    let manager_report = match request.tail {
        Some(count) => {
            let count = if count == 0 { TAIL } else { count };
            session::stage_tail(hub, &mut transaction, agent, count, purpose(hub, agent)?)?
        }
        None => Vec::new(),
    };
    let status_receipt = match request.status {
        Some(preset) => Some(stage_status(writer, &mut transaction, agent, preset)?),
        None => None,
    };
    let inbox = match request.inbox {
        Some(count) => session::stage_inbox(hub, &mut transaction, agent, count)?,
        None => Inbox::default(),
    };
    let mut warnings: Vec<String> = place.warnings.iter().map(|warning| warning.message.clone()).collect();
    if retired::of(hub, agent)?.is_some() {
        warnings.push(format!("{agent} is retired and cannot hold a task; back with: teof seat revive {agent}"));
    }
    let boot = Boot {
        agent_id: agent.clone(),
        branch: hub.here.branch(),
        worktree: hub.here.root.clone(),
        event,
        sync: None,
        dirty_handoff,
        status_receipt,
        dashboard_receipt: None,
        manifest_swapped: place.swap.is_some(),
        warnings,
        peers: peers(hub, agent)?,
        manager_report,
        inbox: inbox.lines,
        unread: inbox.unread,
    };
    Ok((transaction, boot))
}

/// An agent that boots in a run does the coordinator's job. A seat that a person or an agent at a terminal uses stays
/// theirs.
fn purpose(hub: &Hub, agent: &str) -> Result<Purpose> {
    let is_used = || freshness::is_interactive(hub, agent, hub.settings()?.session.pool_stale);
    Ok(match operator::run::inside().is_some() && !is_used()? {
        true => Purpose::Unattended,
        false => Purpose::Interactive,
    })
}

fn handshake(agent: &str, summary: &str, focus: Option<&str>) -> Event {
    let event = Event::new(agent, "handshake", summary).meta("branch_prefix", format!("agent/{agent}/"));
    match focus {
        Some(focus) => event.meta("focus", focus),
        None => event,
    }
}

/// Live claims of other seats, by seat and task.
fn peers(hub: &Hub, agent: &str) -> Result<Vec<Peer>> {
    let mut peers: Vec<Peer> = claims::list(hub)?
        .whole
        .into_iter()
        .filter(|(_, claim)| claim.is_live() && claim.agent_id().is_some_and(|owner| owner != agent))
        .map(|(task_id, claim)| Peer {
            agent_id: claim.agent_id().unwrap_or_default().to_owned(),
            task_id,
            status: claim.status_text().unwrap_or_default().to_owned(),
            branch: claim.branch().map(str::to_owned),
        })
        .collect();
    peers.sort_by(|a, b| (&a.agent_id, &a.task_id).cmp(&(&b.agent_id, &b.task_id)));
    Ok(peers)
}

/// The receipt of a dirty tree and its observation event. Returns the receipt's path.
fn stage_dirty(writer: &Writer<'_>, transaction: &mut Transaction, agent: &str, dirt: &[String]) -> Result<String> {
    let hub = writer.hub();
    let path =
        free_name(hub, &format!("{}/dirty-handoff/dirty-{}", paths::session(agent), hub.now().compact()), "txt")?;
    let text = session::dirty_handoff(agent, hub.now(), dirt);
    ledger::enter(writer, transaction, agent, &[(path.clone(), digest::sha256(text.as_bytes()))])?;
    transaction.create(path.as_str(), text);
    let mut event = Event::new(
        agent,
        "observation",
        format!("Dirty handoff: {}", crate::base::text::counted(dirt.len(), "uncommitted change")),
    );
    event.branch = hub.here.branch();
    event.receipts = vec![path.clone()];
    events::stage(writer, transaction, &event)?;
    Ok(path)
}

/// Saves the current bus status as a sealed receipt. Returns its path.
fn stage_status(writer: &Writer<'_>, transaction: &mut Transaction, agent: &str, preset: Preset) -> Result<String> {
    let hub = writer.hub();
    let Value::Object(report) = json!(status::read(hub, Query::new(Some(preset)))?.document()) else {
        anyhow::bail!("a status report is an object");
    };
    let mut payload =
        Map::from_iter([("generated_at".to_owned(), json!(hub.now())), ("agent_id".to_owned(), json!(agent))]);
    payload.extend(report);
    let stem = format!("{}/session_boot/bus-status-{}", paths::agent(agent), hub.now().compact());
    let path = free_name(hub, &stem, "json")?;
    receipts::write(writer, transaction, agent, &path, payload)?;
    Ok(path)
}

/// `<stem>.<ending>`, or `<stem>-2.<ending>` and so on: two boots may happen in one second.
fn free_name(hub: &Hub, stem: &str, ending: &str) -> Result<String> {
    let mut path = format!("{stem}.{ending}");
    let mut n = 2;
    while hub.path(&path)?.symlink_metadata().is_ok() {
        path = format!("{stem}-{n}.{ending}");
        n += 1;
    }
    Ok(path)
}

/// Writes the receipt and the observation, and returns the refusal.
fn refuse_dirty(hub: &Hub, agent: &str, dirt: &[String]) -> Result<anyhow::Error> {
    let mut writer = hub.lock("session-boot")?;
    let mut transaction = Transaction::new(format!("dirty handoff {agent}"));
    let receipt = stage_dirty(&writer, &mut transaction, agent, dirt)?;
    writer.commit(transaction)?;
    let first: Vec<_> = dirt.iter().take(5).map(|line| line.trim().to_owned()).collect();
    let more = if dirt.len() > first.len() { format!(" and {} more", dirt.len() - first.len()) } else { String::new() };
    Ok(Refusal::guard("session.dirty", format!("{} has uncommitted changes", hub.here.root.display()))
        .because(format!(
            "{}{more}. They may belong to another seat, so an event reports them. The list: {}",
            first.join(", "),
            hub.shown(&receipt)
        ))
        .next(format!("start without touching them: teof session-boot --agent {agent} --sync-allow-dirty"))
        .next("or, if they are yours, commit them on your branch first")
        .with("receipt", receipt)
        .with("changes", dirt.len())
        .into())
}
