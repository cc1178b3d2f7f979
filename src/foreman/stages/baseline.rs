//! Remembers what surrounded the repository when a job's first attempt started.
//!
//! An attempt that dies may have planted something already: the next one compares with the state before the first
//! attempt, not with what that one left. Kept on this machine until an attempt passed its checks or was blocked.

use super::targets;
use crate::base::{Result, files, json};
use crate::foreman::work::Work;
use crate::guard::result::{Surroundings, checkouts, dotgit, planted, surroundings};
use crate::hub::Hub;
use crate::hub::worktrees::Place;

/// More than any surroundings come to.
const MAX: u64 = 64 * 1024 * 1024;

fn file(job: &str) -> String {
    format!("surroundings/{job}.json")
}

/// The surroundings that an earlier attempt recorded, else those of now, which it records.
///
/// # Errors
/// When they cannot be recorded: the next attempt would have nothing to compare with.
pub fn load_or_record(hub: &Hub, work: &Work, place: &Place) -> Result<Surroundings> {
    let path = hub.local(&file(work.job()));
    let known = files::read(&path, MAX)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(known) = known {
        return Ok(known);
    }
    let mut found = dotgit::observe(&hub.common_dir, &place.git_dir);
    for target in targets::of(hub, &work.order) {
        surroundings::record_target(&hub.common_dir, &target, &mut found);
    }
    checkouts::record(hub, &place.git_dir, &mut found)?;
    planted::record(hub, &mut found);
    files::create_parent(&path)?;
    files::replace(&path, json::compact(&found).as_bytes())?;
    Ok(found)
}

/// Removes the recorded surroundings: the job was checked, and differences were reported.
pub fn forget(hub: &Hub, job: &str) {
    if let Err(e) = files::discard(&hub.local(&file(job))) {
        tracing::debug!("what surrounded {job} was not removed: {e:#}");
    }
}
