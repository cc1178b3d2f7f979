//! Who is the coordinator of a hub: the one that holds its lock.

use std::path::Path;
use std::time::Duration;

use crate::base::{Refusal, Result, Stamp, lock};
use crate::coordinator::inbox;
use crate::exec;
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

/// How long a coordinator that works may leave a command unanswered.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one step of its work may take: what talks to a network has shorter limits.
const STUCK: Duration = Duration::from_secs(180);

/// Why a coordinator that holds its lock does nothing any more, and what to do about it; `None` when it works.
pub fn frozen(hub: &Hub) -> Result<Option<(String, String)>> {
    let Some(pid) = holder(hub)?.and_then(|note| pid_in(&note)) else { return Ok(None) };
    if exec::vitals_of(pid).is_some_and(|vitals| vitals.stopped) {
        return Ok(Some(("a signal has stopped it".into(), format!("let it go on: kill -CONT {pid}"))));
    }
    let again = format!("end it, then start it again: kill {pid}");
    if let Some(at) = exec::busy_since(pid).map(Stamp::from_unix).filter(|at| hub.now().since(*at) >= STUCK) {
        return Ok(Some((format!("one step of its work, begun at {at}, does not end"), again)));
    }
    let waits = inbox::read(hub)?.first().map(|(_, letter)| hub.now().since(letter.word.at));
    Ok(waits.filter(|waits| *waits >= PATIENCE).map(|waits| {
        let waits = crate::base::time::show_span(waits);
        (format!("a command has waited {waits} for its answer"), again)
    }))
}

/// The process that a lock's note names.
fn pid_in(note: &str) -> Option<i32> {
    note.strip_prefix("pid ")?.split(':').next()?.parse().ok()
}

pub(super) fn running(path: &Path) -> Refusal {
    let holder = lock::holder(path).unwrap_or_else(|| "another process".into());
    Refusal::held(RUNNING, "this hub has a coordinator already")
        .because(format!("its lock is held by {holder}"))
        .next("see what it does: teof coordinator status")
        .next("end it: teof coordinator stop")
        .with("holder", holder)
}
