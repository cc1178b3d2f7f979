//! When an agent was last heard of: its latest event or message (the playbook: bus_heartbeat).

use std::fs;

use crate::base::{Result, Stamp, jsonl};
use crate::hub::{Hub, paths};
use crate::model::event::EventView;
use crate::model::message::MessageLine;

use super::events;

/// The time of the agent's latest event or message; `None` when it never wrote. Reads every log:
/// for the rare question whether a silent holder may be replaced.
pub fn last_seen(hub: &Hub, agent: &str) -> Result<Option<Stamp>> {
    let mut seen = None;
    for log in events::logs(hub)? {
        jsonl::for_each_line(&hub.path(&log)?, 0, |_, _, line| {
            if let Ok(event) = EventView::parse(line)
                && event.agent_id.as_deref() == Some(agent)
            {
                seen = seen.max(event.at());
            }
            Ok(true)
        })?;
    }
    for entry in fs::read_dir(hub.root.join(paths::MESSAGES)).into_iter().flatten().flatten() {
        let Some(channel) = entry.file_name().to_str().and_then(|name| name.strip_suffix(".jsonl")).map(str::to_owned)
        else {
            continue;
        };
        jsonl::for_each_line(&hub.path(&paths::channel(&channel))?, 0, |_, _, line| {
            if let Some(message) = MessageLine::parse(line).filter(|message| message.from() == Some(agent)) {
                seen = seen.max(message.at());
            }
            Ok(true)
        })?;
    }
    Ok(seen)
}
