//! The seats that the hub knows: those with a manifest and those with a session.

use super::{manifest, session};
use crate::base::{Refusal, Result, names, text};
use crate::hub::Hub;

/// The ids of the seats that have a manifest or a session.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn ids(hub: &Hub) -> Result<Vec<String>> {
    let seats = manifest::all(hub)?;
    let manifests = seats.iter().map(|seat| seat.agent().to_owned());
    Ok(manifests.chain(session::agents(hub)).collect())
}

/// `no such seat: wroker-1 (did you mean worker-1?)`; `None` for a seat that is known.
///
/// # Errors
/// When the manifests cannot be listed.
pub fn unknown(hub: &Hub, agent: &str) -> Result<Option<String>> {
    let known = ids(hub)?;
    if known.iter().any(|seat| seat == agent) {
        return Ok(None);
    }
    let meant = names::did_you_mean(agent, known.iter().map(String::as_str));
    Ok(Some(format!("no such seat: {}{meant}", text::clip(&text::safe(agent), 60))))
}

/// Refuses a seat that the hub does not know.
///
/// # Errors
/// `seat.unknown` (exit 4).
pub fn require(hub: &Hub, agent: &str) -> Result<()> {
    match unknown(hub, agent)? {
        None => Ok(()),
        Some(message) => Err(Refusal::not_found("seat.unknown", message)
            .because("no manifest and no session has this name")
            .next("see all seats: teof agent list")
            .into()),
    }
}
