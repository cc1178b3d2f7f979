//! Evidence over all stores: the index of receipts, how fast work is proved, what is missing; retiring a
//! receipt; and the chain heads that a delivered commit carries.

pub mod chain_heads;
pub mod heads;
pub mod hygiene;
pub mod index;
pub mod metrics;
mod references;
pub mod retire;

pub use references::Reference;

use std::collections::BTreeSet;

use crate::base::Result;
use crate::hub::Hub;
use crate::plans;
use crate::receipts::ledger;

/// Every path that the ledger, a plan, an event or a message names as evidence.
///
/// # Errors
/// When the ledger or a log cannot be read.
pub fn named(hub: &Hub) -> Result<BTreeSet<String>> {
    let mut found = references::References::new();
    let plans: Vec<_> = plans::all(hub).into_iter().filter_map(|(_, plan)| plan.ok()).collect();
    references::of_plans(&plans, &mut found);
    references::of_bus(hub, &mut found)?;
    Ok(found.into_keys().chain(ledger::listed(&hub.root)?.into_keys()).collect())
}
