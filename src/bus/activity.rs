//! When an agent was last heard of: its latest event or message (the playbook: bus_heartbeat).

use super::log::Log;
use super::messages;
use crate::base::{Result, Stamp};
use crate::hub::Hub;

/// The time of the agent's latest event or message; `None` when it never wrote.
pub fn last_seen(hub: &Hub, agent: &str) -> Result<Option<Stamp>> {
    Ok(Log::look(hub)?.seen(agent).last.max(messages::last_seen(hub, agent)?))
}
