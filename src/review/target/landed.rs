//! Finds the commit that brought reviewed work to its target: a merge, a squashed commit, or the work's own commits.
//!
//! A squashed commit has no parent in the work, so nothing in the history ties the two. It is recognised by its
//! trailers, which name job and run, and by its content: exactly what the work makes of the commit before it. Whoever
//! forges the trailers has to bring the reviewed work.

use git2::{Commit, Oid, Repository};

use super::merge;
use super::message::{TRAILER_BY, TRAILER_REVERTS};
use crate::base::Result;
use crate::hub::git::ancestry;
use crate::hub::worktrees::checkpoint::{TRAILER_JOB, TRAILER_RUN};
use crate::model::run::bundle::Bundle;

/// How many commits of a target are searched.
const MOST: usize = 20_000;

/// How work came onto a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Landed {
    /// The commit that brought it, and the target's commit before that; `None` after a fast-forward.
    pub by: Option<(Oid, Oid)>,
    /// The reviewed commit, or the newer one on its branch that came in with it.
    pub work: Oid,
}

/// How the work of a bundle came onto a target that is at `target`; `None` when it is not there. Work that changes
/// nothing is not there by itself.
///
/// # Errors
/// `review.commit_missing`; when the repository cannot be read.
pub fn find(repo: &Repository, target: Oid, bundle: &Bundle) -> Result<Option<Landed>> {
    let work = merge::reviewed(repo, bundle)?;
    if bundle.commit == bundle.base_commit {
        return Ok(None);
    }
    if ancestry::holds(repo, target, work)? {
        return Ok(Some(Landed { by: merge::merged_by(repo, target, work)?, work }));
    }
    squashed(repo, target, bundle, work)
}

fn squashed(repo: &Repository, target: Oid, bundle: &Bundle, reviewed: Oid) -> Result<Option<Landed>> {
    let base = merge::base(repo, bundle);
    // A person may have merged newer commits of the branch, too.
    let tip = repo.refname_to_id(&format!("refs/heads/{}", bundle.branch)).ok();
    let works = [Some(reviewed), tip.filter(|tip| *tip != reviewed)];
    for id in ancestry::only_in(repo, target, base.as_slice(), MOST)? {
        let commit = repo.find_commit(id)?;
        if !is_of(&commit, bundle) {
            continue;
        }
        let before = commit.parent_id(0)?;
        for work in works.into_iter().flatten() {
            if merge::tree_of_work(repo, bundle, before, work)? == Some(commit.tree_id()) {
                return Ok(Some(Landed { by: Some((id, before)), work }));
            }
        }
    }
    Ok(None)
}

/// Whether a commit's trailers name it as the squashed work of a bundle's run.
pub fn is_of(commit: &Commit, bundle: &Bundle) -> bool {
    let Ok(message) = commit.message() else { return false };
    if commit.parent_count() != 1 || !message.contains(&*bundle.run) {
        return false;
    }
    let Ok(trailers) = git2::message_trailers_strs(message) else { return false };
    let get = |key: &str| trailers.iter().find(|(found, _)| *found == key).map(|(_, value)| value);
    get(TRAILER_JOB) == Some(&bundle.job)
        && get(TRAILER_RUN) == Some(&bundle.run)
        && get(TRAILER_BY).is_some()
        && get(TRAILER_REVERTS).is_none()
}
