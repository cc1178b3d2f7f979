//! What the bus says about decisions: the messages that open or escalate one, and the events and messages about it.

use std::collections::{BTreeSet, HashSet};

use aho_corasick::AhoCorasick;
use serde_json::{Map, Value};

use crate::base::{Result, jsonl};
use crate::bus::{events, messages};
use crate::hub::{Hub, paths};
use crate::model::message::{MANAGER_REPORT, MessageLine, is_task_channel};
use crate::model::text;

/// The type of a message that opens a decision.
pub const CONSENSUS: &str = "consensus";
/// The keys of `meta` in the playbook's escalation.
pub const ESCALATION: &str = "escalation";
pub const DECISION: &str = "decision_id";
/// The key of `meta` in an event that `--consensus-decision` recorded.
pub const OF_EVENT: &str = "consensus_decision";

/// A message about a decision.
pub struct Said {
    pub decision: String,
    pub channel: String,
    pub message: MessageLine,
}

impl Said {
    pub fn is_escalation(&self) -> bool {
        self.message.meta(ESCALATION).and_then(Value::as_str) == Some(CONSENSUS)
    }

    pub fn opens(&self) -> bool {
        self.message.kind() == Some(CONSENSUS)
    }
}

/// The messages that open, name or escalate a decision, in every channel.
pub fn said(hub: &Hub) -> Result<Vec<Said>> {
    let mut found = Vec::new();
    for channel in messages::channels(hub)? {
        each_line(hub, &paths::channel(&channel), |line| {
            // Most messages are about none and are not parsed.
            let may_be =
                std::str::from_utf8(line).is_ok_and(|line| line.contains(CONSENSUS) || line.contains(DECISION));
            if may_be
                && let Some(message) = MessageLine::parse(line)
                && let Some(decision) = decision_of(&message, &channel)
            {
                found.push(Said { decision, channel: channel.clone(), message });
            }
        })?;
    }
    Ok(found)
}

fn decision_of(message: &MessageLine, channel: &str) -> Option<String> {
    let named = message.meta(DECISION).and_then(Value::as_str).map(str::trim).filter(|id| !id.is_empty());
    let is_opened = message.kind() == Some(CONSENSUS) && is_task_channel(channel);
    named.or_else(|| is_opened.then_some(channel)).map(str::to_owned)
}

/// Calls `each` with every event about one of the decisions, and its decision.
pub fn events_about(hub: &Hub, ids: &BTreeSet<String>, mut each: impl FnMut(&str, &Map<String, Value>)) -> Result<()> {
    let Ok(any) = AhoCorasick::new(ids) else { return Ok(()) };
    for log in events::logs(hub)? {
        each_line(hub, &log, |line| {
            if !any.is_match(line) || !line.starts_with(b"{") {
                return;
            }
            let Ok(raw) = serde_json::from_slice::<Map<String, Value>>(line) else { return };
            let meta = raw.get("meta").and_then(Value::as_object);
            let named = meta.and_then(|meta| text(meta, OF_EVENT));
            // Other tools also wrote `task`.
            let about: BTreeSet<&str> =
                [named, text(&raw, "task_id"), text(&raw, "task")].into_iter().flatten().collect();
            about.into_iter().filter(|id| ids.contains(*id)).for_each(|id| each(id, &raw));
        })?;
    }
    Ok(())
}

/// Calls `each` with every message in a decision's own channel, and with those in manager-report about it.
pub fn messages_about(hub: &Hub, ids: &BTreeSet<String>, mut each: impl FnMut(&str, &MessageLine)) -> Result<()> {
    let known: HashSet<String> = messages::channels(hub)?.into_iter().collect();
    for id in ids.iter().filter(|id| known.contains(*id) && is_task_channel(id)) {
        messages::tail(hub, id, 0)?.iter().for_each(|message| each(id, message));
    }
    for message in messages::tail(hub, MANAGER_REPORT, 0)? {
        let named = message.meta(DECISION).and_then(Value::as_str);
        let about: BTreeSet<&str> = [named, message.task_id()].into_iter().flatten().collect();
        about.into_iter().filter(|id| ids.contains(*id)).for_each(|id| each(id, &message));
    }
    Ok(())
}

/// Calls `each` with every line of a log.
fn each_line(hub: &Hub, path: &str, mut each: impl FnMut(&[u8])) -> Result<()> {
    jsonl::for_each_line(&hub.path(path)?, 0, |_, _, line| {
        each(line);
        Ok(true)
    })?;
    Ok(())
}
