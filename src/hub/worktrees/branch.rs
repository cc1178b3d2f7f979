//! Chooses the branch of a job and finds the job's finished stages.

use std::path::Path;

use anyhow::Context;
use git2::{ErrorCode, Oid, Repository};

use super::checkpoint::Checkpoint;
use super::job_refs;
use super::place::{Wanted, is_task_branch};
use super::registry::{self, Registered};
use crate::base::{Refusal, Result};
use crate::hub::git::ancestry;
use crate::hub::{Hub, Worktree};
use crate::model::claim::default_branch;

/// The branch, the job's base, and its checkpoints.
pub(super) struct Chosen {
    pub branch: String,
    pub base: Oid,
    pub checkpoints: Vec<Checkpoint>,
}

/// Allows only `agent/<seat>/…` and a branch made for the task: never the main branch or another seat's.
pub(super) fn check(hub: &Hub, wanted: &Wanted) -> Result<()> {
    if is_task_branch(wanted.branch, wanted.task) && hub.branch().as_deref() != Some(wanted.branch) {
        return Ok(());
    }
    let own = format!("agent/{}/", wanted.agent);
    let legal = git2::Branch::name_is_valid(wanted.branch).unwrap_or(false);
    if legal && wanted.branch.strip_prefix(&own).is_some_and(|slug| !slug.is_empty()) {
        return Ok(());
    }
    Err(Refusal::guard("branch.not_the_seats", format!("workers must not use branch {:?}", wanted.branch))
        .because(format!(
            "workers use branches under {own}, never {} or another seat's",
            hub.branch().unwrap_or_else(|| "the main branch".into())
        ))
        .next(format!("give the order a branch such as {}", default_branch(wanted.agent, wanted.job)))
        .into())
}

/// A job continues from its newest checkpoint, whatever happened to its branch since; other commits there are kept
/// when the branch is repaired.
///
/// A branch with other work (a person's, another job's), or one that is checked out, is left alone and the next free
/// name is used.
///
/// `adopted` is the worktree of others that this job may use.
pub(super) fn choose(
    repo: &Repository,
    wanted: &Wanted,
    base: Oid,
    known: &[Registered],
    adopted: Option<&Registered>,
) -> Result<Chosen> {
    let is_adopted = |worktree: &Registered| adopted.is_some_and(|adopted| adopted.git_dir == worktree.git_dir);
    let is_ours = |worktree: &&Registered| worktree.job() == Some(wanted.job) || is_adopted(worktree);
    let others = known.iter().filter(|w| !is_ours(w)).map(|w| w.git_dir.as_path()).chain([repo.commondir()]);
    let others: Vec<Worktree> = others.map(|git_dir| bare(git_dir, repo.commondir())).collect();
    // A rebase is on no branch but moves its original branch at the end.
    let is_taken =
        |branch: &str| others.iter().any(|at| at.branch().as_deref() == Some(branch) || at.holding(branch).is_some());
    let own: Vec<String> = known.iter().filter(is_ours).filter_map(registry::head_of).collect();
    check_no_prefix(repo, wanted.branch)?;
    let known = job_refs::of_job(repo, wanted.job).map(|found| continued(repo, found, base)).transpose()?;
    let (began, checkpoints) = known.flatten().unwrap_or((base, Vec::new()));
    let newest = checkpoints.last().map_or(began, |done| done.commit);
    for n in 1..1000 {
        let branch = if n == 1 { wanted.branch.to_owned() } else { format!("{}-{n}", wanted.branch) };
        if is_taken(&branch) {
            continue;
        }
        let tip = match repo.refname_to_id(&format!("refs/heads/{branch}")) {
            Ok(tip) => Some(tip),
            Err(e) if e.code() == ErrorCode::NotFound => None,
            Err(e) => return Err(e).with_context(|| format!("read branch {branch}")),
        };
        if tip.is_none_or(|tip| tip == newest) || own.contains(&branch) {
            return Ok(Chosen { branch, base: began, checkpoints });
        }
    }
    anyhow::bail!("no free branch name like {}", wanted.branch)
}

/// A worktree described only by its git directory, wherever its folder is.
fn bare(git_dir: &Path, common_dir: &Path) -> Worktree {
    Worktree { root: git_dir.to_owned(), git_dir: git_dir.to_owned(), common_dir: common_dir.to_owned() }
}

/// The job's earlier work, if this order continues it: it started at or below `base`.
fn continued(
    repo: &Repository,
    (began, checkpoints): (Oid, Vec<Checkpoint>),
    base: Oid,
) -> Result<Option<(Oid, Vec<Checkpoint>)>> {
    let work = checkpoints.last().map_or(began, |done| done.commit);
    let continues = ancestry::holds(repo, base, began)? && ancestry::holds(repo, work, began)?;
    Ok(continues.then_some((began, checkpoints)))
}

/// Git stores branches as folders: `agent/codex-1` and `agent/codex-1/docs` cannot both exist.
pub(super) fn check_no_prefix(repo: &Repository, branch: &str) -> Result<()> {
    let ends = branch.match_indices('/').map(|(at, _)| &branch[..at]);
    let Some(other) = ends.into_iter().find(|name| repo.find_reference(&format!("refs/heads/{name}")).is_ok()) else {
        return Ok(());
    };
    Err(Refusal::guard("branch.in_the_way", format!("cannot create branch {branch} while {other} exists"))
        .because("git does not allow a branch name that is a parent path of another")
        .next(format!("rename that branch: git branch -m {other} {other}-main"))
        .into())
}
