//! The review lock: one approval, revert, decision or delivery at a time.
//!
//! A person's decision waits for it as long as commands wait for locks ([`when_free`]). The coordinator does not
//! wait: it tries again at a later observation.

use std::time::{Duration, Instant};

use super::target::recover;
use crate::base::lock::{self, FileLock};
use crate::base::{Refusal, Result, time};
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
    let lock = FileLock::try_acquire(&path, what)?.ok_or_else(|| busy(hub))?;
    let bus_lock = hub.lock("complete an interrupted move")?;
    recover::recover(hub)?;
    drop(bus_lock);
    Ok(lock)
}

fn busy(hub: &Hub) -> Refusal {
    Refusal::held(BUSY, "another command is deciding about a result or opening its pull request")
        .because(format!("{} holds the review lock", holder(hub)))
        .next("try again when it has finished")
}

fn holder(hub: &Hub) -> String {
    lock::holder(&hub.local(LOCK)).unwrap_or_else(|| "another process".into())
}

/// Takes a decision, which takes the lock; waits while another process holds it, at most as long as commands wait for
/// locks (`lock.wait`). `tell` gets a line when it waits.
///
/// # Errors
/// As `decide`; [`BUSY`] when the wait is over, with who held the lock.
pub fn when_free<T>(hub: &Hub, tell: &dyn Fn(&str), decide: impl Fn() -> Result<T>) -> Result<T> {
    let wait = hub.settings()?.lock.wait;
    let (until, mut is_told) = (Instant::now() + wait, false);
    loop {
        match decide() {
            Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == BUSY) => {
                let left = until.saturating_duration_since(Instant::now());
                if !std::mem::replace(&mut is_told, true) && !wait.is_zero() {
                    tell(&format!("Waiting for {}", holder(hub)));
                }
                if left.is_zero() || !is_free_within(hub, left)? {
                    return Err(busy(hub)
                        .because(format!("waited {} for {}", time::show_span(wait), holder(hub)))
                        .next("or wait longer: raise lock.wait in teof.toml")
                        .into());
                }
            }
            done => return done,
        }
    }
}

/// Waits until nobody holds the lock; another process may take it before the caller does.
fn is_free_within(hub: &Hub, wait: Duration) -> Result<bool> {
    match FileLock::acquire(&hub.local(LOCK), wait, "lock.wait", "wait for a decision") {
        Ok(_) => Ok(true),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == "lock.timeout") => Ok(false),
        Err(e) => Err(e),
    }
}
