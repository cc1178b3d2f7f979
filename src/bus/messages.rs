//! Message channels: `_bus/messages/<channel>.jsonl`, where a channel is a task, `manager-report` or `agent-<id>`.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use serde::{Deserialize, Serialize};

use super::cache::{self, Facts, Known};
use super::{documents, line};
use crate::base::{Result, Stamp, jsonl, names};
use crate::hub::{Hub, Transaction, Writer, paths};
use crate::model::event::lenient;
use crate::model::message::{Message, MessageLine};

/// Stages a message in a transaction.
///
/// # Errors
/// When a name cannot be used or a text is empty or too long; nothing is staged then.
pub fn stage(writer: &Writer<'_>, transaction: &mut Transaction, channel: &str, message: &Message) -> Result<()> {
    names::check_id("channel", channel)?;
    names::check_id("agent", &message.from)?;
    names::check_id("task", &message.task_id)?;
    line::check_word("type", &message.kind)?;
    line::check_text("summary", &message.summary)?;
    line::check_length("note", message.note.as_deref().unwrap_or_default())?;
    let line = message.line(writer.hub().now());
    line::check_line(&line)?;
    transaction.append(paths::channel(channel), &line);
    Ok(())
}

/// The channel for messages to an agent or a role.
pub fn inbox(agent: &str) -> String {
    format!("agent-{}", agent.to_lowercase())
}

/// The last `limit` messages (0: all) of a channel, oldest first, each once. Lines that are not messages
/// are skipped.
pub fn tail(hub: &Hub, channel: &str, limit: usize) -> Result<Vec<MessageLine>> {
    let lines = tail_lines(hub, channel, limit)?;
    Ok(lines.iter().filter_map(|line| MessageLine::parse(line)).collect())
}

/// Like [`tail`], but returns the lines of the file.
pub fn tail_lines(hub: &Hub, channel: &str, limit: usize) -> Result<Vec<Vec<u8>>> {
    names::check_id("channel", channel)?;
    let mut known = HashSet::new();
    let mut found = Vec::new();
    jsonl::for_each_line_backwards(&hub.path(&paths::channel(channel))?, |line| {
        if MessageLine::parse(line).is_some() && known.insert(line.to_vec()) {
            found.push(line.to_vec());
        }
        limit == 0 || found.len() < limit
    })?;
    found.reverse();
    Ok(found)
}

/// The names of the existing channels, sorted. Files with other names are skipped.
pub fn channels(hub: &Hub) -> Result<Vec<String>> {
    let names = documents::file_names(hub, paths::MESSAGES)?;
    let stems = names.iter().filter_map(|name| name.strip_suffix(".jsonl"));
    Ok(stems.filter(|stem| names::is_id(stem)).map(str::to_owned).collect())
}

/// The senders of a channel and when each last wrote.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Senders {
    /// Per sender, the latest time.
    seen: BTreeMap<String, Stamp>,
}

impl Facts for Senders {
    fn line(&mut self, _: u64, line: &[u8]) {
        #[derive(Deserialize)]
        struct View<'a> {
            #[serde(borrow, default, deserialize_with = "lenient")]
            ts: Option<Cow<'a, str>>,
            #[serde(borrow, default, deserialize_with = "lenient")]
            from: Option<Cow<'a, str>>,
        }
        let Some(view) = serde_json::from_slice::<View>(line).ok().filter(|_| line.starts_with(b"{")) else { return };
        let at = view.ts.as_deref().and_then(Stamp::parse);
        if let (Some(at), Some(from)) = (at, view.from.as_deref().map(str::trim).filter(|from| names::is_id(from))) {
            let seen = self.seen.entry(from.to_owned()).or_insert(at);
            *seen = at.max(*seen);
        }
    }

    fn append(&mut self, later: Senders) {
        for (from, at) in later.seen {
            let seen = self.seen.entry(from).or_insert(at);
            *seen = at.max(*seen);
        }
    }
}

/// The time of an agent's latest message in any channel, up to `until`.
pub fn last_seen(hub: &Hub, agent: &str, until: Stamp) -> Result<Option<Stamp>> {
    let mut seen = None;
    for (file, known) in senders(hub)? {
        if let Some(at) = known.facts.seen.get(agent) {
            seen = seen.max(up_to(hub, &file, agent, *at, until)?);
        }
    }
    Ok(seen)
}

/// As [`last_seen`], for every agent that wrote a message.
pub fn all_seen(hub: &Hub, until: Stamp) -> Result<BTreeMap<String, Stamp>> {
    let mut all: BTreeMap<String, Stamp> = BTreeMap::new();
    for (file, known) in senders(hub)? {
        for (agent, at) in &known.facts.seen {
            if let Some(at) = up_to(hub, &file, agent, *at, until)? {
                let seen = all.entry(agent.clone()).or_insert(at);
                *seen = at.max(*seen);
            }
        }
    }
    Ok(all)
}

fn senders(hub: &Hub) -> Result<Vec<(String, Known<Senders>)>> {
    let files: Vec<String> = channels(hub)?.iter().map(|channel| paths::channel(channel)).collect();
    cache::refresh(hub, "cache/messages.json", &files)
}

/// The latest message of a channel up to `until`, where the latest of all is sent at `at`. When that one is in the
/// future, the earlier one is read from the file.
fn up_to(hub: &Hub, file: &str, agent: &str, at: Stamp, until: Stamp) -> Result<Option<Stamp>> {
    if at <= until { Ok(Some(at)) } else { last_in(hub, file, agent, until) }
}

fn last_in(hub: &Hub, file: &str, agent: &str, until: Stamp) -> Result<Option<Stamp>> {
    let mut seen = None;
    jsonl::for_each_line(&hub.path(file)?, 0, |_, _, line| {
        if let Some(message) = MessageLine::parse(line).filter(|message| message.from() == Some(agent)) {
            seen = seen.max(message.at().filter(|at| *at <= until));
        }
        Ok(true)
    })?;
    Ok(seen)
}
