//! Chooses the seat that reviews work: never the one that did it.

use crate::base::Result;
use crate::hub::Hub;
use crate::seats::{manifest, retired};

/// Every possible reviewer that is not retired, best first: seats with the reviewer role, then the manager, then the
/// others.
pub fn all(hub: &Hub, manager: &str) -> Result<Vec<String>> {
    let manifests = manifest::all(hub)?;
    let retired = retired::ids(hub);
    let wishes = |role: &str, roles: &[&str]| roles.contains(&role);
    let mut seats: Vec<(u8, String)> = manifests
        .iter()
        .filter(|found| !retired.contains(found.agent()))
        .map(|found| {
            let rank = match found.agent() == manager {
                _ if wishes("reviewer", &found.seat.desired_roles()) => 0,
                true => 1,
                false => 2,
            };
            (rank, found.agent().to_owned())
        })
        .collect();
    // The coordinator starts the manager's session even without a manifest.
    if seats.iter().all(|(_, seat)| seat != manager) {
        seats.push((1, manager.to_owned()));
    }
    seats.sort();
    Ok(seats.into_iter().map(|(_, seat)| seat).collect())
}

/// The reviewer of `worker`'s work: the best other seat, else the manager.
pub fn of(hub: &Hub, manager: &str, worker: &str) -> Result<String> {
    Ok(all(hub, manager)?.into_iter().find(|seat| seat != worker).unwrap_or_else(|| manager.to_owned()))
}
