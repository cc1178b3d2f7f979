//! Every seat that the record knows, with its last sign of life, what it holds, and whether it is retired.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::base::{Result, Stamp, names, time};
use crate::bus::log::Log;
use crate::bus::{claims, messages};
use crate::guard::operator::OPERATOR;
use crate::hub::Hub;
use crate::seats::retired::{self, Retirement};
use crate::seats::{manifest, session};

/// A seat.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Known {
    pub agent_id: String,
    /// Those that its manifest asks for.
    pub roles: Vec<String>,
    /// Its latest event or message.
    pub last_seen: Option<Stamp>,
    /// Tasks of its active and paused claims.
    pub claims: Vec<String>,
    pub retired: Option<Retirement>,
}

/// Every seat that has a manifest, a session, a claim or an event, by id.
pub fn known(hub: &Hub) -> Result<Vec<Known>> {
    let until = hub.now().plus(time::SKEW);
    let mut seats: BTreeMap<String, Known> = BTreeMap::new();
    for found in manifest::all(hub)? {
        let roles = found.seat.desired_roles().into_iter().map(str::to_owned).collect();
        seats.insert(found.agent().to_owned(), Known { roles, ..Known::default() });
    }
    for agent in session::agents(hub) {
        seats.entry(agent).or_default();
    }
    for (task, claim) in claims::list(hub)?.whole {
        if let Some(agent) = claim.agent_id().filter(|agent| names::is_id(agent)) {
            let seat = seats.entry(agent.to_owned()).or_default();
            seat.claims.extend(claim.is_live().then_some(task));
        }
    }
    let log = Log::read(hub)?;
    for agent in log.agents().into_keys() {
        let seen = log.seen_until(agent, until)?;
        seats.entry(agent.to_owned()).or_default().last_seen = seen;
    }
    let messages = messages::all_seen(hub, until)?;
    let mut retired = retired::all(hub);
    seats.remove(OPERATOR);
    for (agent, seat) in &mut seats {
        seat.agent_id.clone_from(agent);
        seat.last_seen = seat.last_seen.max(messages.get(agent).copied());
        seat.retired = retired.remove(agent);
    }
    Ok(seats.into_values().collect())
}
