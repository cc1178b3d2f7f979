//! What becomes of finished work: looked at, merged or sent back by a person, delivered as a pull request.
//!
//! # Theory of operation
//!
//! The foreman leaves a bundle ([`bundles`]): a receipt that names the commit that was reviewed. An
//! approval merges exactly that commit. The merged tree is made from objects alone ([`merge`]), the tests
//! run on it in a scratch worktree ([`scratch`]), the record is checked ([`checks`]), and only then, under
//! the bus lock, the target moves by compare-and-swap ([`advance`]) and the decision is written
//! ([`decision`]). Killed in between, the next approval finds the old state, or a merge without its
//! decision, which it completes.
//!
//! Every function that moves a target or decides about work needs a person's word; nothing here waits for
//! processes or the network under the bus lock, except for git moving one checked-out worktree. May not
//! set a plan's step on approval or rejection, nor release a claim: the coordinator does.

pub mod approve;
pub mod bundles;
pub mod checks;
pub mod decision;
pub mod diff;
mod lfs;
pub mod pull_request;
pub mod reject;
pub mod revert;
pub mod rollback;
pub mod target;

pub use approve::{Approval, approve};
pub use bundles::Entry;
pub use decision::{Decision, Kind};
pub use reject::{reject, retry};
pub use revert::revert;

use crate::base::lock::{self, FileLock};
use crate::base::{Refusal, Result};
use crate::guard::operator::Recognised;
use crate::hub::Hub;

/// Held while something is approved or reverted; relative to the machine-local folder.
const LOCK: &str = "locks/review.lock";

/// A person's word about finished work.
#[derive(Clone, Debug)]
pub struct Word {
    pub by: String,
    /// How the person was recognised.
    pub recognised: Recognised,
    pub note: Option<String>,
    /// Whether somebody can go on with work that is in conflict: its job is not over.
    pub goes_back: bool,
    /// After a revert: whether the work is to be done again at once. Else its step waits for a person's word.
    pub redo: bool,
    /// What becomes of commits that came onto the branch after the review.
    pub newer: target::newer::Newer,
}

/// One at a time: whoever has this knows that every scratch worktree there is was left behind. What an earlier
/// one was killed in is completed or taken back first, so that nothing is decided or moved twice.
fn lock(hub: &Hub, what: &str) -> Result<FileLock> {
    let path = hub.local(LOCK);
    let lock = FileLock::try_acquire(&path, what)?.ok_or_else(|| {
        let holder = lock::holder(&path).unwrap_or_else(|| "another process".into());
        Refusal::held("review.busy", "somebody approves or reverts work at this moment")
            .because(format!("the lock is held by {holder}"))
            .next("try again when that has ended")
    })?;
    let journal = hub.lock("complete what was begun")?;
    target::recover::settle(hub)?;
    drop(journal);
    Ok(lock)
}
