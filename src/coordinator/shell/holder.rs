//! Who is the coordinator of a hub: the one that holds its lock.

use std::path::Path;

use crate::base::{Refusal, Result, lock};
use crate::hub::Hub;

/// Held by the coordinator of a hub for life; relative to the machine-local folder.
pub const LOCK: &str = "locks/coordinator.lock";

/// The refusal's code where a hub has a coordinator already.
pub(super) const RUNNING: &str = "coordinator.running";

/// Whether a coordinator runs for this hub, and what it says of itself.
pub fn holder(hub: &Hub) -> Result<Option<String>> {
    let path = hub.local(LOCK);
    Ok(if lock::is_held(&path)? { Some(lock::holder(&path).unwrap_or_default()) } else { None })
}

pub(super) fn running(path: &Path) -> Refusal {
    let holder = lock::holder(path).unwrap_or_else(|| "another process".into());
    Refusal::held(RUNNING, "this hub has a coordinator already")
        .because(format!("its lock is held by {holder}"))
        .next("see what it does: teof coordinator status")
        .next("end it: teof coordinator stop")
        .with("holder", holder)
}
