//! The part of the manager report about dirty hand-offs.

use std::collections::BTreeSet;

use serde::Serialize;

use crate::base::{Result, Stamp};
use crate::hub::Hub;
use crate::seats::handoffs;

/// Uncommitted changes that nobody has cleared.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Handoff {
    /// Who looks after the changes.
    pub agent_id: String,
    /// The seat that found them, when they were reassigned.
    pub found_by: Option<String>,
    pub captured_at: Option<Stamp>,
    /// Relative to the hub.
    pub receipt: String,
    /// How many changes there were.
    pub pending_count: usize,
    /// The first of them, as git shows them; safe.
    pub status_preview: Vec<String>,
}

/// What is pending for seats in use, by who looks after it.
pub fn pending(hub: &Hub, retired: &BTreeSet<String>) -> Result<Vec<Handoff>> {
    let mut found = Vec::new();
    for receipt in handoffs::all(hub)? {
        let Some(owner) = receipt.owner().filter(|owner| !retired.contains(*owner)) else { continue };
        found.push(Handoff {
            agent_id: owner.to_owned(),
            found_by: (owner != receipt.seat).then(|| receipt.seat.clone()),
            captured_at: receipt.captured_at,
            pending_count: receipt.changes,
            status_preview: receipt.preview.iter().map(|line| line.trim().to_owned()).collect(),
            receipt: receipt.path,
        });
    }
    found.sort_by(|a, b| a.agent_id.cmp(&b.agent_id));
    Ok(found)
}
