//! Checks the heartbeats and records the result: a receipt always, and an event and a message when something is wrong
//! (the playbook: bus_heartbeat).

use serde_json::{Map, json};

use super::heartbeat::{Heartbeat, Windows};
use super::observe;
use crate::base::Result;
use crate::guard::claim::{self, Author};
use crate::guard::secrets;
use crate::hub::{Hub, Transaction, paths};
use crate::model::event::Event;
use crate::model::message::Message;
use crate::ops::publish::{self, Entry};
use crate::receipts;

/// What is checked, and what is written.
#[derive(Clone, Debug)]
pub struct Request {
    pub author: Author,
    pub windows: Windows,
    /// Seats that count as managers, besides those that are.
    pub managers: Vec<String>,
    /// What the event is about.
    pub task: Option<String>,
    pub plan: Option<String>,
    pub branch: Option<String>,
    pub pr: Option<String>,
    /// Write the event, when there is an alert.
    pub event: bool,
    /// Write the message, when there is an alert.
    pub message: Option<Notice>,
}

/// Where the message goes.
#[derive(Clone, Debug)]
pub struct Notice {
    pub channel: String,
    pub kind: String,
    pub note: Option<String>,
}

/// The result.
#[derive(Clone, Debug)]
pub struct Checked {
    pub heartbeat: Heartbeat,
    /// The receipt's path.
    pub receipt: String,
    /// The event's id, if one was written.
    pub event: Option<String>,
    /// The channel of the message, if one was written.
    pub channel: Option<String>,
    /// Notes for people.
    pub remarks: Vec<String>,
}

/// Checks the heartbeats, and records the result in one transaction.
///
/// # Errors
/// As [`publish::publish`] for the author's session and for a message in a task's channel.
pub fn check(hub: &Hub, request: &Request) -> Result<Checked> {
    let Request { author, windows, .. } = request;
    if let Some(note) = request.message.as_ref().and_then(|message| message.note.as_ref()) {
        secrets::check_text("note", note)?;
    }
    let stale = claim::admit(hub, author, None, "bus heartbeat")?;
    // Before the lock: it reads all stores, and tells of the moment at which they were read.
    let heartbeat = observe::heartbeat(hub, *windows, &request.managers)?;
    let mut writer = hub.lock("bus heartbeat")?;
    claim::check_inherited_epoch(hub)?;
    let mut transaction = Transaction::new("bus heartbeat");
    let stem = format!("{}/apoptosis-004/alerts/heartbeat-{}", paths::agent(&author.agent), hub.now().compact());
    let receipt = hub.free_path(&stem, ".json")?;
    receipts::write(&writer, &mut transaction, &author.agent, &receipt, payload(hub, &author.agent, &heartbeat))?;
    let mut checked = Checked { heartbeat, receipt, event: None, channel: None, remarks: Vec::new() };
    for entry in entries(request, &checked) {
        let written = publish::stage(&mut writer, &mut transaction, author, &entry)?;
        let part = |key: &str| written[key].as_str().map(str::to_owned);
        checked.event = checked.event.or(part("id"));
        checked.channel = checked.channel.or(part("channel"));
    }
    if let Some(stale) = stale {
        stale.record(&mut transaction);
        checked.remarks.push(format!("continued anyway: {}", stale.message));
    }
    writer.commit(transaction)?;
    Ok(checked)
}

/// The receipt, with the playbook's fields in order of their names.
fn payload(hub: &Hub, agent: &str, heartbeat: &Heartbeat) -> Map<String, serde_json::Value> {
    let mut payload = heartbeat.document();
    payload.extend([
        ("agent_id".to_owned(), json!(agent)),
        ("ts".to_owned(), json!(hub.now())),
        ("version".to_owned(), json!(1)),
    ]);
    payload.sort_keys();
    payload
}

/// The event and the message of an alert; without one the bus stays as it is.
fn entries(request: &Request, checked: &Checked) -> Vec<Entry> {
    let (agent, alerts) = (&request.author.agent, checked.heartbeat.alerts());
    let mut entries = Vec::new();
    if alerts.is_empty() {
        return entries;
    }
    let receipts = vec![checked.receipt.clone()];
    if request.event {
        let mut event = Event {
            task_id: request.task.clone(),
            plan_id: request.plan.clone(),
            branch: request.branch.clone(),
            pr: request.pr.clone(),
            receipts: receipts.clone(),
            severity: Some(checked.heartbeat.severity()),
            ..Event::new(agent, "alert", checked.heartbeat.summary())
        };
        event.meta.insert("alerts".to_owned(), json!(shortened(alerts)));
        entries.push(Entry::event(event, None));
    }
    if let Some(Notice { channel, kind, note }) = &request.message {
        let mut message = Message::new(agent, kind, channel, checked.heartbeat.summary());
        message.meta.extend(request.plan.as_ref().map(|plan| ("plan_id".to_owned(), json!(plan))));
        message.receipts = receipts;
        message.note = note.clone();
        entries.push(Entry::message(channel, message, None));
    }
    entries
}

/// At most this many alerts, and tasks of one, are in the event; the receipt has them all.
const IN_EVENT: usize = 50;

/// The alerts for a line of the log, which has a limited length.
fn shortened(mut alerts: Vec<serde_json::Value>) -> Vec<serde_json::Value> {
    alerts.truncate(IN_EVENT);
    for alert in &mut alerts {
        if let Some(tasks) = alert.get_mut("tasks").and_then(serde_json::Value::as_array_mut) {
            tasks.truncate(5);
        }
    }
    alerts
}
