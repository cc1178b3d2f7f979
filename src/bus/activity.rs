//! Finds when an agent was last active: its latest event or message (the playbook: bus_heartbeat).

use super::log::Log;
use super::messages;
use crate::base::{Result, Stamp, time};
use crate::hub::Hub;

/// The time of the agent's latest event or message; `None` when it never wrote. Lines dated in the future (by this
/// machine's clock) are ignored.
pub fn last_seen(hub: &Hub, agent: &str) -> Result<Option<Stamp>> {
    let latest = hub.now().plus(time::SKEW);
    let log = Log::read(hub)?;
    let event = log.seen_until(agent, latest)?;
    Ok(event.max(messages::last_seen(hub, agent, latest)?))
}
