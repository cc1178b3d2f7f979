//! Heartbeats: who gave a sign of life within the windows.

use std::collections::BTreeSet;
use std::time::Duration;

use serde::Serialize;

use super::facts::{Facts, Options};
use crate::base::{Result, Stamp, text, time};
use crate::guard::operator::OPERATOR;
use crate::hub::Hub;
use crate::ops::presence::heartbeat::{self, Presence};
use crate::ops::presence::observe;
use crate::seats::retired;

/// A seat, and its last handshake or status.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Beat {
    pub agent_id: String,
    pub last_seen: Option<Stamp>,
    pub state: Presence,
    /// Its silence matters: it manages, holds a claim, or is the actor of an open plan.
    pub is_awaited: bool,
}

/// By seat; empty where a window is not checked.
#[derive(Clone, Debug, Default, Serialize, schemars::JsonSchema)]
pub struct Heartbeats {
    pub managers: Vec<Beat>,
    pub agents: Vec<Beat>,
}

/// A seat that nobody waits for.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Retired {
    pub agent_id: String,
    pub since: Option<Stamp>,
    pub reason: Option<String>,
}

pub(super) fn retired(hub: &Hub) -> Vec<Retired> {
    let seats = retired::all(hub).into_iter().map(|(agent_id, retirement)| Retired {
        agent_id,
        since: retirement.since,
        reason: retirement.reason.map(|reason| text::safe(&reason)),
    });
    seats.collect()
}

/// The managers, and as agents the actors of open plans, the holders of claims and the authors of events.
pub(super) fn heartbeats(hub: &Hub, facts: &Facts, retired: &[Retired], options: &Options) -> Result<Heartbeats> {
    let is_retired = |id: &str| retired.iter().any(|seat| seat.agent_id == id);
    let coordinator = observe::coordinator(hub)?;
    let mut managers = observe::candidates(hub, facts.assignments.iter().map(|(_, found)| *found), &[])?;
    managers.extend(coordinator.clone());
    let holders = facts.claims.iter().filter(|claim| claim.is_live).filter_map(|claim| claim.seat.clone());
    let actors = facts.plans.iter().filter(|plan| plan.is_open).filter_map(|plan| plan.actor.clone());
    let awaited: BTreeSet<String> = holders.chain(actors).collect();
    let agents: BTreeSet<String> = awaited.iter().chain(facts.events.seen.keys()).cloned().collect();
    let beat = |id: &String, window: Duration, is_awaited: bool| {
        let at = facts.events.seen.get(id).and_then(|seen| seen.beat);
        let at = at.filter(|at| *at <= hub.now().plus(time::SKEW));
        // The coordinator's process gives signs of life all the time.
        let state = match coordinator.as_ref() == Some(id) {
            true => Presence::Active,
            false => heartbeat::presence(at, window, hub.now()),
        };
        Beat { agent_id: id.clone(), last_seen: at, state, is_awaited }
    };
    let of = |ids: &BTreeSet<String>, window: Option<Duration>, is_awaited: &dyn Fn(&String) -> bool| {
        let wanted = ids.iter().filter(|id| *id != OPERATOR && !is_retired(id));
        window.map(|window| wanted.map(|id| beat(id, window, is_awaited(id))).collect()).unwrap_or_default()
    };
    Ok(Heartbeats {
        managers: of(&managers, options.manager_window, &|_| true),
        agents: of(&agents, options.agent_window, &|id| awaited.contains(id)),
    })
}
