//! What surrounds the repository as a job's first attempt found it.
//!
//! An attempt that dies may have planted something already: the next one compares with what was there
//! before the first, and not with what that one left. Kept on this machine until an attempt is judged.

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

/// What an earlier attempt found, else what there is now.
///
/// # Errors
/// When it cannot be kept: the next attempt could not be compared with it.
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

/// The job was judged: what differs was told, and what a person then leaves is as it should be.
pub fn forget(hub: &Hub, job: &str) {
    if let Err(e) = files::discard(&hub.local(&file(job))) {
        tracing::debug!("what surrounded {job} was not removed: {e:#}");
    }
}
