//! Tells the bus that prerequisites do not hold: an event `alert` and a message, in one act, once
//! until the failure changes.
//!
//! The conductor's guardrails ask how such failures "should be surfaced on the bus": an event is what
//! dashboards count and watchers follow, the message is what a manager reads in the morning.

use serde_json::json;

use crate::base::{Result, digest, files, text};
use crate::bus::{events, messages};
use crate::guard::prerequisites::Prerequisites;
use crate::hub::{Act, Hub};
use crate::model::event::{Event, Severity};
use crate::model::message::{MANAGER_REPORT, Message};

/// Machine-local: the digest of the failure that was told last; empty once it is over.
const TOLD: &str = "prerequisites-told";
/// The longest summary, in characters.
const SUMMARY: usize = 600;

/// Whether anything new was said. When the prerequisites hold again, the next failure counts as new.
pub fn tell(hub: &Hub, agent: &str, found: &Prerequisites) -> Result<bool> {
    let now = found.failure().map(|failure| digest::sha256(failure.as_bytes())).unwrap_or_default();
    if told(hub)? == now {
        return Ok(false);
    }
    let mut writer = hub.lock("report prerequisites")?;
    // Another process may have said it meanwhile.
    if told(hub)? == now {
        return Ok(false);
    }
    let mut act = Act::new("report prerequisites");
    act.replace_local(TOLD, now.as_str());
    if let Some(failure) = found.failure() {
        let summary = text::clip(&format!("prerequisites do not hold: {failure}"), SUMMARY);
        let snapshot = found.snapshot.sha256();
        let mut event = Event::new(agent, "alert", summary.clone())
            .meta("prerequisites", json!(found.failures))
            .meta("snapshot_sha256", snapshot.as_str());
        event.severity = Some(Severity::Medium);
        events::stage(&writer, &mut act, &event)?;
        let message = Message::new(agent, "alert", MANAGER_REPORT, summary)
            .meta("snapshot_sha256", snapshot)
            .meta("next", "no backlog item is taken until they hold; see prerequisites in the backlog");
        messages::stage(&writer, &mut act, MANAGER_REPORT, &message)?;
    }
    writer.perform(act)?;
    Ok(!now.is_empty())
}

fn told(hub: &Hub) -> Result<String> {
    let bytes = files::read(&hub.local(TOLD), 1024)?.unwrap_or_default();
    Ok(String::from_utf8_lossy(&bytes).trim().to_owned())
}
