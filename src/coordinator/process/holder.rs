//! Identifies a hub's coordinator: the process that holds its lock.

use std::path::Path;
use std::time::Duration;

use crate::base::lock::FileLock;
use crate::base::{Exit, Refusal, Result, Stamp, lock};
use crate::coordinator::inbox;
use crate::exec::{self, Turn};
use crate::hub::{Hub, paths};

/// Code of the refusal when a hub already has a coordinator.
pub(super) const RUNNING: &str = "coordinator.running";

/// Whether a run was refused because the hub has a coordinator.
pub fn is_running(error: &anyhow::Error) -> bool {
    Refusal::of(error).is_some_and(|refusal| refusal.code == RUNNING)
}

/// The note of the running coordinator of this hub, if any.
pub fn holder(hub: &Hub) -> Result<Option<String>> {
    let path = hub.local(paths::COORDINATOR_LOCK);
    Ok(if lock::is_held(&path)? { Some(lock::holder(&path).unwrap_or_default()) } else { None })
}

/// What the lock's note says of one pass for a command; it takes a moment.
const ONE_SHOT: &str = "one coordinator command";
/// How long such a pass is waited for.
const MOMENT: Duration = Duration::from_secs(10);

/// Takes the coordinator's lock. `None` when a coordinator runs; what does one pass for a command is waited for.
pub(super) fn take_lock(hub: &Hub, one_shot: bool) -> Result<Option<FileLock>> {
    let path = hub.local(paths::COORDINATOR_LOCK);
    let what = if one_shot { ONE_SHOT } else { "coordinator run" };
    if let Some(lock) = FileLock::try_acquire(&path, what)? {
        return Ok(Some(lock));
    }
    if !lock::holder(&path).is_some_and(|note| note.contains(ONE_SHOT)) {
        return Ok(None);
    }
    match FileLock::acquire(&path, MOMENT, "nothing", what) {
        Ok(lock) => Ok(Some(lock)),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.exit == Exit::TimedOut) => Ok(None),
        Err(e) => Err(e),
    }
}

/// The process id of the running coordinator of this hub, if any.
pub fn pid(hub: &Hub) -> Result<Option<i32>> {
    Ok(holder(hub)?.and_then(|note| pid_in(&note)))
}

/// When the running coordinator last woke: it works since then, or waits since then for something to do. `None` when
/// none runs, or where the system does not show it.
pub fn last_wake(hub: &Hub) -> Result<Option<Stamp>> {
    let turn = pid(hub)?.and_then(exec::turn_of);
    Ok(turn.map(|(Turn::Works(at) | Turn::Waits(at))| Stamp::from_unix(at)))
}

/// How long a healthy coordinator may leave a command unanswered.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one step may take; network calls have shorter limits.
const STUCK: Duration = Duration::from_secs(180);

/// Why a coordinator that holds its lock is stuck, and the fix; `None` when it works.
pub fn frozen(hub: &Hub) -> Result<Option<(String, String)>> {
    let Some(pid) = pid(hub)? else { return Ok(None) };
    if exec::vitals_of(pid).is_some_and(|vitals| vitals.stopped) {
        return Ok(Some(("a signal has stopped it".into(), format!("let it continue: kill -CONT {pid}"))));
    }
    let again = format!("stop it, then start it again: kill {pid}");
    if let Some(Turn::Works(since)) = exec::turn_of(pid) {
        let since = Stamp::from_unix(since);
        if hub.now().since(since) >= STUCK {
            return Ok(Some((format!("one step of its work, started at {since}, does not end"), again)));
        }
    }
    let waits = inbox::read(hub)?.first().map(|(_, letter)| hub.now().since(letter.word.at));
    Ok(waits.filter(|waits| *waits >= PATIENCE).map(|waits| {
        let waits = crate::base::time::show_span(waits);
        (format!("a command has waited {waits} for its answer"), again)
    }))
}

/// The process id in a lock's note.
fn pid_in(note: &str) -> Option<i32> {
    note.strip_prefix("pid ")?.split(':').next()?.parse().ok()
}

pub(super) fn running(path: &Path) -> Refusal {
    let holder = lock::holder(path).unwrap_or_else(|| "another process".into());
    Refusal::held(RUNNING, "this hub already has a coordinator")
        .because(format!("{holder} holds its lock"))
        .next("see what it does: teof status")
        .next("stop it: teof coordinator stop")
        .with("holder", holder)
}
