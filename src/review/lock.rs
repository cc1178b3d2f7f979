//! The review lock: one approval, revert or rollback at a time.

use super::target::recover;
use crate::base::lock::{self, FileLock};
use crate::base::{Refusal, Result};
use crate::hub::Hub;

/// Relative to the machine-local folder.
const LOCK: &str = "locks/review.lock";

/// Takes the lock and recovers a target move that was interrupted. Whoever holds it knows that each temporary worktree
/// there is was left behind.
///
/// # Errors
/// `review.busy` while another process holds it.
pub fn acquire(hub: &Hub, what: &str) -> Result<FileLock> {
    let path = hub.local(LOCK);
    let lock = FileLock::try_acquire(&path, what)?.ok_or_else(|| {
        let holder = lock::holder(&path).unwrap_or_else(|| "another process".into());
        Refusal::held("review.busy", "somebody approves or reverts work at this moment")
            .because(format!("the lock is held by {holder}"))
            .next("try again when that has ended")
    })?;
    let bus_lock = hub.lock("complete what was begun")?;
    recover::recover(hub)?;
    drop(bus_lock);
    Ok(lock)
}
