//! Reports obstacles to the bus: an event `alert` and a message in one transaction, once until the reason changes.
//!
//! The conductor's guardrails ask how such failures "should be surfaced on the bus": an event is what
//! dashboards count and watchers follow, the message is what a manager reads in the morning.

use serde_json::json;

use crate::base::{Result, digest, files, text};
use crate::bus::{events, messages};
use crate::guard::prerequisites::Prerequisites;
use crate::hub::{Hub, Transaction};
use crate::model::event::{Event, Severity};
use crate::model::message::{MANAGER_REPORT, Message};

/// The topic of an alert; each is reported and ends independently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// The backlog's prerequisites are not met.
    Prerequisites,
    /// The consent's halts stopped a loop.
    Halt,
    /// The last scan has findings of high severity, or a worker moved a target.
    Danger,
}

impl Topic {
    /// Machine-local file: the digest of the last reported reason; empty once it is over.
    fn notified(self) -> &'static str {
        match self {
            Topic::Prerequisites => "alerts/prerequisites",
            Topic::Halt => "alerts/halt",
            Topic::Danger => "alerts/danger",
        }
    }

    fn text(self) -> (&'static str, &'static str) {
        match self {
            Topic::Prerequisites => {
                ("prerequisites are not met", "no backlog item starts until its prerequisites are met")
            }
            Topic::Halt => ("unattended work is halted", "no job starts unattended until this is resolved"),
            Topic::Danger => (
                "new assignments are paused",
                "no new job starts until this is fixed or a person accepts it: \
                 teof coordinator reset-breaker",
            ),
        }
    }
}

/// The longest summary, in characters.
const SUMMARY: usize = 600;

/// Reports a reason; returns whether it was new. `None` means that it is over, so that the next reason counts as new.
pub fn notify(hub: &Hub, agent: &str, topic: Topic, why: Option<&str>, found: &Prerequisites) -> Result<bool> {
    let now = why.map(|why| digest::sha256(why.as_bytes())).unwrap_or_default();
    if notified(hub, topic)? == now {
        return Ok(false);
    }
    let mut writer = hub.lock("report an alert")?;
    // Another process may have reported it meanwhile.
    if notified(hub, topic)? == now {
        return Ok(false);
    }
    let mut transaction = Transaction::new("report an alert");
    transaction.replace_local(topic.notified(), now.as_str());
    if let Some(why) = why {
        let (what, consequence) = topic.text();
        let summary = text::clip(&format!("{what}: {why}"), SUMMARY);
        let snapshot = found.snapshot.sha256();
        let mut event = Event::new(agent, "alert", summary.as_str())
            .meta("failures", json!(found.failures))
            .meta("snapshot_sha256", snapshot.as_str());
        event.severity = Some(Severity::Medium);
        events::stage(&writer, &mut transaction, &event)?;
        let mut message = Message::new(agent, "alert", MANAGER_REPORT, summary).meta("snapshot_sha256", snapshot);
        message.note = Some(consequence.to_owned());
        messages::stage(&writer, &mut transaction, MANAGER_REPORT, &message)?;
    }
    writer.commit(transaction)?;
    Ok(!now.is_empty())
}

fn notified(hub: &Hub, topic: Topic) -> Result<String> {
    let bytes = files::read(&hub.local(topic.notified()), 1024)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
