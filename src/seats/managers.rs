//! Who is a manager: the one rule for what only managers may decide.

use super::{manifest, retired};
use crate::base::Result;
use crate::hub::Hub;

/// Whether a seat is a manager: its manifest has the role, or it is the coordinator's seat; and it is not retired.
///
/// # Errors
/// When a manifest, the settings or the seat's file cannot be read.
pub fn is(hub: &Hub, agent: &str) -> Result<bool> {
    if retired::of(hub, agent)?.is_some() {
        return Ok(false);
    }
    let is_declared = manifest::of(hub, agent)?.is_some_and(|found| found.seat.is_manager());
    Ok(is_declared || hub.settings()?.coordinator.manager == agent)
}
