//! A seat's inbox: the channel `agent-<id>`, its unread messages, and the read receipt (the playbook: bus_inbox).

use serde_json::{Map, Value, json};

use crate::base::{Result, Stamp, json, names};
use crate::bus::messages;
use crate::hub::output::Output;
use crate::hub::{Hub, Transaction, paths};
use crate::model::message::{MANAGER_REPORT, MessageLine};
use crate::model::seat::OPERATOR;

/// The options.
#[derive(Clone, Debug)]
pub struct Query {
    pub agent: String,
    /// How many of the last messages; 0: all.
    pub limit: usize,
    /// Mark everything as read.
    pub mark_read: bool,
    /// Write a receipt to this path; an empty path means the default.
    pub receipt: Option<String>,
    /// File for the read state, instead of the default.
    pub state: Option<String>,
    /// Replace files there even if something else wrote them.
    pub force: bool,
}

#[derive(Debug)]
pub struct Inbox {
    pub channel: String,
    /// Oldest first.
    pub messages: Vec<MessageLine>,
    /// Messages later than the last one that was marked as read.
    pub unread: usize,
    /// Relative to the hub; absent without a receipt.
    pub receipt: Option<String>,
    last: Option<Stamp>,
    seen: Option<Stamp>,
}

impl Inbox {
    /// Whether a message is later than the last one that was marked as read.
    pub fn is_unread(&self, message: &MessageLine) -> bool {
        unread(message, self.seen)
    }
}

/// Reads the inbox. Writes only the receipt and, when marking as read, the state: both or neither.
pub fn read(hub: &Hub, query: &Query) -> Result<Inbox> {
    let agent = names::check_id("agent", &query.agent)?;
    let channel = messages::inbox(agent);
    let folder = paths::session(agent);
    let state_path = query.state.clone().unwrap_or_else(|| format!("{folder}/agent-inbox-state.json"));
    let homes = [format!("{folder}/agent-inbox-")];
    let homes: Vec<&str> = homes.iter().map(String::as_str).collect();
    let output = |flag, is_own| Output { flag, homes: &homes, force: Some(query.force), is_own };
    if query.state.is_some() {
        output("--state", is_state).check(hub, &state_path)?;
    }
    if let Some(place) = query.receipt.as_deref().filter(|place| !place.is_empty()) {
        output("--receipt", is_receipt).check(hub, place)?;
    }
    let state = json::read_object(&hub.path(&state_path)?)?.unwrap_or_default();
    let seen = state.get("last_seen_ts").and_then(Value::as_str).and_then(Stamp::parse);

    let mut all = messages::tail_lines(hub, &channel, 0)?;
    if agent == OPERATOR {
        // People read what managers report, too.
        all.extend(messages::tail_lines(hub, MANAGER_REPORT, 0)?);
        all.sort_by_cached_key(|line| MessageLine::parse(line).and_then(|message| message.at()));
    }
    let shown = if query.limit == 0 { &all[..] } else { &all[all.len().saturating_sub(query.limit)..] };
    let parsed: Vec<MessageLine> = all.iter().filter_map(|line| MessageLine::parse(line)).collect();
    let mut inbox = Inbox {
        unread: parsed.iter().filter(|message| unread(message, seen)).count(),
        last: parsed.iter().filter_map(MessageLine::at).max(),
        messages: shown.iter().filter_map(|line| MessageLine::parse(line)).collect(),
        channel,
        receipt: None,
        seen,
    };
    let mut transaction = Transaction::new(format!("inbox of {agent}"));
    if let Some(place) = &query.receipt {
        let usual = || format!("{folder}/agent-inbox-tail.txt");
        let place = if place.is_empty() { usual() } else { place.clone() };
        transaction.replace(place.as_str(), receipt(hub, query, &inbox, shown));
        inbox.receipt = Some(place);
    }
    if query.mark_read {
        transaction.replace(state_path, json::pretty(&marked(hub.now(), state, inbox.last)) + "\n");
    }
    if !transaction.is_empty() {
        hub.lock("bus inbox")?.commit(transaction)?;
    }
    Ok(inbox)
}

fn is_state(bytes: &[u8]) -> bool {
    serde_json::from_slice::<Value>(bytes).is_ok_and(|document| document.get("last_checked_at").is_some())
}

fn is_receipt(bytes: &[u8]) -> bool {
    bytes.starts_with(b"# agent=")
}

fn unread(message: &MessageLine, seen: Option<Stamp>) -> bool {
    seen.is_none_or(|seen| message.at().is_some_and(|at| at > seen))
}

/// The read state, updated; fields of other tools stay.
fn marked(now: Stamp, mut state: Map<String, Value>, last: Option<Stamp>) -> Map<String, Value> {
    state.insert("last_checked_at".into(), json!(now));
    if let Some(last) = last {
        state.insert("last_seen_ts".into(), json!(last));
    }
    state
}

fn receipt(hub: &Hub, query: &Query, inbox: &Inbox, lines: &[Vec<u8>]) -> String {
    let header = [
        ("agent", query.agent.clone()),
        ("channel", paths::channel(&inbox.channel)),
        ("captured_at", hub.now().to_string()),
        ("requested_entries", query.limit.to_string()),
        ("written_entries", lines.len().to_string()),
        ("unread_since_state", inbox.unread.to_string()),
        ("last_message_ts", inbox.last.map(|last| last.to_string()).unwrap_or_default()),
    ];
    let mut text: String = header.iter().map(|(key, value)| format!("# {key}={value}\n")).collect();
    for line in lines {
        text += &String::from_utf8_lossy(line);
        text.push('\n');
    }
    if lines.is_empty() {
        text += "(inbox empty)\n";
    }
    text
}
