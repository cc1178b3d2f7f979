//! Deletes the branches of approved work: the target has that work, and the record says which commit it was.

use anyhow::Context;
use git2::{ErrorCode, Repository};
use serde::Serialize;

use super::merge;
use crate::base::Result;
use crate::hub::git::object_ids;
use crate::hub::worktrees::clean::Removed;
use crate::hub::worktrees::job_refs;
use crate::hub::{Hub, Worktree, worktrees};
use crate::model::run::bundle::Bundle;
use crate::review::bundles;
use crate::review::decision::Kind;

/// The kind of the refs, `refs/teof/reviewed/<job>`, that keep a reviewed commit.
const REVIEWED: &str = "reviewed";

/// What became of the branches of approved work that nobody needs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Branches {
    pub deleted: Vec<Deleted>,
    /// Those that could not be deleted.
    pub kept: Vec<Kept>,
}

/// A branch that is deleted; in a dry run, that would be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Deleted {
    pub branch: String,
    pub job: String,
    /// The reviewed commit, to which it pointed.
    pub commit: String,
    /// The ref that keeps that commit, where the target does not: it has the work as another commit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kept_under: Option<String>,
}

/// A branch that could not be deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    pub branch: String,
    pub job: String,
    pub why: String,
}

/// Deletes each branch `agent/<seat>/…` of approved work that still points to the reviewed commit.
///
/// A branch with newer commits, a person's branch that a job worked on, one that is checked out, and that of reverted
/// work stay. `removed` are the worktrees that are gone, or would be.
///
/// # Errors
/// When the record cannot be read. A branch that cannot be read or deleted is listed and stops nothing.
pub fn delete(hub: &Hub, removed: &[Removed], dry_run: bool) -> Result<Branches> {
    let repo = merge::open(hub)?;
    let mut worktrees = worktrees::every(hub);
    worktrees.retain(|at| removed.iter().all(|gone| gone.path != at.root));
    let mut branches = Branches::default();
    for entry in bundles::all(hub)? {
        let bundle = &entry.bundle;
        let Some(decision) = entry.decision.filter(|decision| decision.decision == Kind::Approved) else { continue };
        let is_of_seat = bundle.branch.starts_with(&format!("agent/{}/", bundle.agent_id));
        if !is_of_seat || is_in_use(&worktrees, &bundle.branch) {
            continue;
        }
        match delete_one(&repo, bundle, &decision.reviewed_commit, dry_run) {
            Ok(Some(gone)) => branches.deleted.push(gone),
            Ok(None) => {}
            Err(e) => branches.kept.push(Kept {
                branch: bundle.branch.clone(),
                job: bundle.job.clone(),
                why: format!("{e:#}"),
            }),
        }
    }
    Ok(branches)
}

/// Nothing when the branch is gone or points elsewhere.
fn delete_one(repo: &Repository, bundle: &Bundle, commit: &str, dry_run: bool) -> Result<Option<Deleted>> {
    if !is_at(repo, &bundle.branch, commit)? {
        return Ok(None);
    }
    let mut kept_under = None;
    if !dry_run {
        // A check or a revert of the work needs the commit that was reviewed.
        let reviewed = object_ids::parse(commit)?;
        let target = repo.refname_to_id(&format!("refs/heads/{}", bundle.target_branch));
        let is_reached = target
            .is_ok_and(|target| target == reviewed || repo.graph_descendant_of(target, reviewed).unwrap_or(false));
        if !is_reached {
            kept_under = Some(job_refs::keep(repo, REVIEWED, &bundle.job, reviewed)?);
        }
        // Fails when the branch moved since it was read.
        let found = repo.find_reference(&format!("refs/heads/{}", bundle.branch));
        found.and_then(|mut found| found.delete()).with_context(|| format!("delete the branch {}", bundle.branch))?;
    }
    Ok(Some(Deleted { branch: bundle.branch.clone(), job: bundle.job.clone(), commit: commit.to_owned(), kept_under }))
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
