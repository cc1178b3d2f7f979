//! Dirty hand-offs: uncommitted changes that a boot found, until somebody clears them.

use std::collections::BTreeMap;

use serde::Serialize;

use super::presence::Retired;
use crate::base::{Result, Stamp, text};
use crate::hub::Hub;
use crate::seats::handoffs;

/// The newest receipt that a seat looks after.
#[derive(Clone, Debug, Serialize, schemars::JsonSchema)]
pub struct Handoff {
    /// Who looks after the changes.
    pub agent_id: String,
    /// The seat that found them, when they were reassigned.
    pub found_by: Option<String>,
    pub captured_at: Option<Stamp>,
    /// Relative to the hub.
    pub receipt: String,
    /// The first changes, as git names them.
    pub status_preview: Vec<String>,
    /// How many receipts it looks after.
    pub pending_count: usize,
}

/// What is pending for seats in use, by seat.
pub(super) fn pending(hub: &Hub, retired: &[Retired]) -> Result<Vec<Handoff>> {
    let mut found: BTreeMap<String, Handoff> = BTreeMap::new();
    let mut receipts = handoffs::all(hub)?;
    receipts.sort_by_key(|receipt| receipt.captured_at);
    for receipt in receipts {
        let Some(owner) = receipt.owner().map(text::safe) else { continue };
        if retired.iter().any(|retired| retired.agent_id == owner) {
            continue;
        }
        let newest = Handoff {
            found_by: (owner != receipt.seat).then(|| receipt.seat.clone()),
            agent_id: owner.clone(),
            captured_at: receipt.captured_at,
            receipt: text::safe(&receipt.path),
            pending_count: found.get(&owner).map_or(0, |known| known.pending_count) + 1,
            status_preview: receipt.preview,
        };
        found.insert(owner, newest);
    }
    Ok(found.into_values().collect())
}
