//! Reads what [`super::heartbeat`] decides on: manifests, assignments, claims, the event log, messages.
//!
//! A seat is a manager when its manifest has the role `manager`, when the caller names it, or when it is the manager
//! of a task that another seat has. Picking a task up for oneself makes nobody a manager.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value};

use super::heartbeat::{self, Beat, Facts, Heartbeat, Holder, Presence, Windows, presence};
use crate::base::{Result, Stamp, lock, names, time};
use crate::bus::log::Log;
use crate::bus::{Damaged, assignments, claims, messages};
use crate::guard::operator::OPERATOR;
use crate::hub::{Hub, paths};
use crate::model::assignment::AssignmentFile;
use crate::model::claim::ClaimFile;
use crate::seats::{manifest, retired};

/// What was read.
#[derive(Debug)]
pub struct Observed {
    pub facts: Facts,
    /// Unreadable files.
    pub damaged: Vec<Damaged>,
}

/// Reads everything and decides. `named` are seats that count as managers.
pub fn heartbeat(hub: &Hub, windows: Windows, named: &[String]) -> Result<Heartbeat> {
    let claims = claims::list(hub)?.whole;
    let observed = observe(hub, &Log::read(hub)?, &claims, windows, named)?;
    Ok(heartbeat::evaluate(&observed.facts, windows))
}

/// Reads what the windows need; the caller has the log and the claims.
pub fn observe(
    hub: &Hub,
    log: &Log<'_>,
    claims: &[(String, ClaimFile)],
    windows: Windows,
    named: &[String],
) -> Result<Observed> {
    let (mut managers, mut damaged) = (BTreeMap::new(), Vec::new());
    let until = hub.now().plus(time::SKEW);
    if windows.manager.is_some() {
        let listing = assignments::list(hub)?;
        damaged = listing.damaged;
        for agent in candidates(hub, listing.whole.iter().map(|(_, assignment)| assignment), named)? {
            let beat = log.beat_until(&agent, until)?.map(|(at, line)| beat(at, &line));
            managers.insert(agent, beat);
        }
    }
    let holders = match windows.agent {
        Some(window) => holders(hub, log, claims, |last| presence(last, window, hub.now()) != Presence::Active)?,
        None => BTreeMap::new(),
    };
    let coordinator = coordinator(hub)?;
    let facts = Facts { now: hub.now(), managers, coordinator, holders, retired: retired::ids(hub) };
    Ok(Observed { facts, damaged })
}

/// The seats that are managers.
pub fn candidates<'a>(
    hub: &Hub,
    assignments: impl Iterator<Item = &'a AssignmentFile>,
    named: &[String],
) -> Result<BTreeSet<String>> {
    let manifests = manifest::all(hub)?;
    let declared = manifests.iter().filter(|found| found.seat.is_manager()).map(|found| found.agent());
    let of_others = assignments.filter_map(|assignment| {
        assignment.manager().filter(|manager| assignment.engineer().is_some_and(|engineer| engineer != *manager))
    });
    let all = declared.chain(of_others).chain(named.iter().map(String::as_str));
    Ok(all.filter(|agent| names::is_id(agent) && *agent != OPERATOR).map(str::to_owned).collect())
}

/// The seat of the coordinator that runs on this machine, if any.
pub fn coordinator(hub: &Hub) -> Result<Option<String>> {
    match lock::is_held(&hub.local(paths::COORDINATOR_LOCK))? {
        true => Ok(Some(hub.settings()?.coordinator.manager.clone())),
        false => Ok(None),
    }
}

/// The seats that hold a task. Whether a run is active is read only for those that are silent.
fn holders(
    hub: &Hub,
    log: &Log<'_>,
    claims: &[(String, ClaimFile)],
    is_silent: impl Fn(Option<Stamp>) -> bool,
) -> Result<BTreeMap<String, Holder>> {
    let mut holders: BTreeMap<String, Holder> = BTreeMap::new();
    for (task, claim) in claims.iter().filter(|(_, claim)| claim.is_live()) {
        if let Some(agent) = claim.agent_id().filter(|agent| names::is_id(agent)) {
            holders.entry(agent.to_owned()).or_default().tasks.push(task.clone());
        }
    }
    let until = hub.now().plus(time::SKEW);
    let messages = if holders.is_empty() { BTreeMap::new() } else { messages::all_seen(hub, until)? };
    for (agent, holder) in &mut holders {
        holder.last = log.seen_until(agent, until)?.max(messages.get(agent).copied());
        if is_silent(holder.last) {
            for task in &holder.tasks {
                holder.is_running = holder.is_running || lock::is_held(&hub.local(&paths::run_lock(task)))?;
            }
        }
    }
    Ok(holders)
}

/// The heartbeat that a line is. Its data are the event's `meta`, and what the playbook's tools wrote beside it.
fn beat(at: Stamp, line: &[u8]) -> Beat {
    let raw: Map<String, Value> = serde_json::from_slice(line).unwrap_or_default();
    let summary = raw.get("summary").and_then(Value::as_str).unwrap_or_default().to_owned();
    let core = ["ts", "agent_id", "event", "summary", "task_id", "plan_id", "branch", "prev", "id"];
    let mut meta = Map::new();
    for (key, value) in raw.into_iter().filter(|(key, _)| !core.contains(&key.as_str())) {
        match (key.as_str(), value) {
            ("meta", Value::Object(inner)) => meta.extend(inner),
            (_, value) => drop(meta.insert(key, value)),
        }
    }
    Beat { at, summary, meta }
}
