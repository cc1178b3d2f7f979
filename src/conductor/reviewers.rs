//! Which seat reviews another's work: never the one that did it.

use crate::base::Result;
use crate::hub::Hub;
use crate::seats::manifest;

/// Every seat that could review, the best first: those whose manifest wishes to, then the manager, then
/// the others.
pub fn all(hub: &Hub, manager: &str) -> Result<Vec<String>> {
    let manifests = manifest::all(hub)?;
    let wishes = |role: &str, roles: &[&str]| roles.contains(&role);
    let mut seats: Vec<(u8, String)> = manifests
        .iter()
        .map(|found| {
            let rank = match found.agent() == manager {
                _ if wishes("reviewer", &found.seat.desired_roles()) => 0,
                true => 1,
                false => 2,
            };
            (rank, found.agent().to_owned())
        })
        .collect();
    // The coordinator boots the manager's session whether it has a manifest or not.
    if seats.iter().all(|(_, seat)| seat != manager) {
        seats.push((1, manager.to_owned()));
    }
    seats.sort();
    Ok(seats.into_iter().map(|(_, seat)| seat).collect())
}

/// The seat that reviews the work of `worker`, if there is another one.
pub fn of(hub: &Hub, manager: &str, worker: &str) -> Result<Option<String>> {
    Ok(all(hub, manager)?.into_iter().find(|seat| seat != worker))
}

/// What to do where there is no other seat.
pub const NONE: &str = "no other seat can review it: add one with its own manifest, AGENT_MANIFEST.<id>.json";
