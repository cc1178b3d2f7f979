//! Deletes the branches of approved work: the target has that work, and the record says which commit it was.

use anyhow::Context;
use git2::{ErrorCode, Repository};
use serde::Serialize;

use super::merge;
use crate::base::Result;
use crate::hub::git::object_ids;
use crate::hub::worktrees::clean::Removed;
use crate::hub::{Hub, Worktree, worktrees};
use crate::review::bundles;
use crate::review::decision::Kind;

/// A branch that is deleted; in a dry run, that would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deleted {
    pub branch: String,
    pub job: String,
    /// The reviewed commit, to which it pointed.
    pub commit: String,
}

/// Deletes each branch `agent/<seat>/…` of approved work that still points to the reviewed commit.
///
/// A branch with newer commits, a person's branch that a job worked on, one that is checked out, and that of reverted
/// work stay. `removed` are the worktrees that are gone, or would be.
///
/// # Errors
/// When the record or a branch cannot be read, or a branch changed meanwhile.
pub fn delete(hub: &Hub, removed: &[Removed], dry_run: bool) -> Result<Vec<Deleted>> {
    let repo = merge::open(hub)?;
    let mut worktrees = worktrees::every(hub);
    worktrees.retain(|at| removed.iter().all(|gone| gone.path != at.root));
    let mut deleted = Vec::new();
    for entry in bundles::all(hub)? {
        let bundle = &entry.bundle;
        let Some(decision) = entry.decision.filter(|decision| decision.decision == Kind::Approved) else { continue };
        let is_of_seat = bundle.branch.starts_with(&format!("agent/{}/", bundle.agent_id));
        if is_of_seat
            && is_at(&repo, &bundle.branch, &decision.reviewed_commit)?
            && !is_in_use(&worktrees, &bundle.branch)
        {
            let gone = Deleted {
                branch: bundle.branch.clone(),
                job: bundle.job.clone(),
                commit: decision.reviewed_commit.clone(),
            };
            if !dry_run {
                // Fails when the branch moved since it was read.
                let found = repo.find_reference(&format!("refs/heads/{}", gone.branch));
                found
                    .and_then(|mut found| found.delete())
                    .with_context(|| format!("delete the branch {}", gone.branch))?;
            }
            deleted.push(gone);
        }
    }
    Ok(deleted)
}

fn is_at(repo: &Repository, branch: &str, commit: &str) -> Result<bool> {
    match repo.find_reference(&format!("refs/heads/{branch}")) {
        // A symbolic ref has no target of its own.
        Ok(found) => Ok(found.target().is_some_and(|at| object_ids::parse(commit).is_ok_and(|commit| commit == at))),
        Err(e) if matches!(e.code(), ErrorCode::NotFound | ErrorCode::InvalidSpec) => Ok(false),
        Err(e) => Err(e).with_context(|| format!("read the branch {branch}")),
    }
}

/// Whether a worktree has it checked out, or will be on it again after a rebase or a bisection.
fn is_in_use(worktrees: &[Worktree], branch: &str) -> bool {
    worktrees.iter().any(|at| at.branch().as_deref() == Some(branch) || at.holding(branch).is_some())
}
