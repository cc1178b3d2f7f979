//! Records the state around the repository when a job's first attempt starts.
//!
//! An attempt that dies may have planted something already, so the next one compares with the state before the first
//! attempt. Kept on this machine until an attempt passes its checks or is blocked.

use crate::base::{Result, files, json};
use crate::foreman::commands::targets;
use crate::foreman::work::Work;
use crate::guard::result::{Surroundings, checkouts, dotgit, object_store, personal, planted, surroundings};
use crate::hub::Hub;
use crate::hub::worktrees::Place;

/// Larger than any real state.
const MAX: u64 = 64 * 1024 * 1024;

fn file(job: &str) -> String {
    format!("surroundings/{job}.json")
}

/// The state around the repository that a job's result is compared with.
pub struct Baseline {
    pub state: Surroundings,
    /// Recorded now.
    pub is_new: bool,
}

/// The state that an earlier attempt recorded, else the current state, which is recorded.
///
/// # Errors
/// When the state cannot be recorded: the next attempt would have nothing to compare with.
pub fn load_or_record(hub: &Hub, work: &Work, place: &Place) -> Result<Baseline> {
    let path = hub.local(&file(work.job()));
    let known = files::read(&path, MAX)?.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    if let Some(state) = known {
        return Ok(Baseline { state, is_new: false });
    }
    let mut found = dotgit::observe(&hub.common_dir, &place.git_dir);
    for target in targets::of(hub, &work.order) {
        surroundings::record_target(&hub.common_dir, &target, &mut found);
    }
    checkouts::record(hub, &place.git_dir, &mut found)?;
    planted::record(hub, &mut found);
    object_store::record(&hub.common_dir, &mut found);
    personal::record_acts(hub, &mut found)?;
    surroundings::record_boot(&mut found);
    files::create_parent(&path)?;
    files::replace(&path, json::compact(&found).as_bytes())?;
    Ok(Baseline { state: found, is_new: true })
}

/// Removes the recorded state, after the job was checked and differences were reported.
pub fn forget(hub: &Hub, job: &str) {
    if let Err(e) = files::discard(&hub.local(&file(job))) {
        tracing::debug!("cannot remove the recorded state of {job}: {e:#}");
    }
}
