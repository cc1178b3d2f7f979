//! The review lock: one approval, revert, decision or delivery at a time.
//!
//! Nobody waits for it: a person reads who holds it, and the coordinator tries again at a later observation.

use super::target::recover;
use crate::base::lock::{self, FileLock};
use crate::base::{Refusal, Result};
use crate::hub::Hub;

/// Relative to the machine-local folder.
const LOCK: &str = "locks/review.lock";
/// The refusal while somebody else holds it.
pub const BUSY: &str = "review.busy";

/// Takes the lock and recovers an interrupted target move. Temporary worktrees that exist now are leftovers, because
/// only the holder uses one.
///
/// # Errors
/// [`BUSY`] while another process holds it.
pub fn acquire(hub: &Hub, what: &str) -> Result<FileLock> {
    let path = hub.local(LOCK);
    let lock = FileLock::try_acquire(&path, what)?.ok_or_else(|| {
        let holder = lock::holder(&path).unwrap_or_else(|| "another process".into());
        Refusal::held(BUSY, "another command is deciding about a result or opening its pull request")
            .because(format!("{holder} holds the review lock"))
            .next("try again when it has finished")
    })?;
    let bus_lock = hub.lock("complete an interrupted move")?;
    recover::recover(hub)?;
    drop(bus_lock);
    Ok(lock)
}
