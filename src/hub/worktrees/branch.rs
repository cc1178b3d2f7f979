//! Chooses the branch of a job, and finds the stages that the job has ended already.

use std::path::Path;

use anyhow::Context;
use git2::{ErrorCode, Oid, Repository};

use super::checkpoint::Checkpoint;
use super::job_refs;
use super::place::Wanted;
use super::registry::{self, Registered};
use crate::base::{Refusal, Result};
use crate::hub::git::ancestry;
use crate::hub::{Hub, Worktree};
use crate::model::claim::default_branch;

/// The branch, where the job began on it, and what it has committed there.
pub(super) struct Chosen {
    pub branch: String,
    pub base: Oid,
    pub checkpoints: Vec<Checkpoint>,
}

/// Never the main branch, never another seat's: only `agent/<seat>/…`.
pub(super) fn check(hub: &Hub, wanted: &Wanted) -> Result<()> {
    let own = format!("agent/{}/", wanted.agent);
    let legal = git2::Branch::name_is_valid(wanted.branch).unwrap_or(false);
    if legal && wanted.branch.strip_prefix(&own).is_some_and(|slug| !slug.is_empty()) {
        return Ok(());
    }
    Err(Refusal::guard("branch.not_the_seats", format!("no worker works on branch {:?}", wanted.branch))
        .because(format!(
            "workers work on branches under {own}, never on {} or another seat's",
            hub.branch().unwrap_or_else(|| "the main branch".into())
        ))
        .next(format!("give the order a branch such as {}", default_branch(wanted.agent, wanted.job)))
        .into())
}

/// A job goes on from its newest checkpoint, whatever was done to its branch since: commits of those who
/// work there are kept by whoever puts the branch right.
///
/// A branch that holds anything else (a person's work, another job's), or that somebody has checked
/// out, is left alone and the next free name is taken.
pub(super) fn choose(repo: &Repository, wanted: &Wanted, base: Oid, known: &[Registered]) -> Result<Chosen> {
    let is_ours = |worktree: &&Registered| worktree.job() == Some(wanted.job);
    let others = known.iter().filter(|w| !is_ours(w)).map(|w| w.git_dir.as_path()).chain([repo.commondir()]);
    let others: Vec<Worktree> = others.map(|git_dir| bare(git_dir, repo.commondir())).collect();
    // A rebase is on no branch, and puts back the one that it began on.
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

/// A worktree as its git directory tells it, wherever its folder is.
fn bare(git_dir: &Path, common_dir: &Path) -> Worktree {
    Worktree { root: git_dir.to_owned(), git_dir: git_dir.to_owned(), common_dir: common_dir.to_owned() }
}

/// What is known of the job, if this order goes on with it: it began below `base`, and its work stands on that.
fn continued(
    repo: &Repository,
    (began, checkpoints): (Oid, Vec<Checkpoint>),
    base: Oid,
) -> Result<Option<(Oid, Vec<Checkpoint>)>> {
    let work = checkpoints.last().map_or(began, |done| done.commit);
    let continues = ancestry::holds(repo, base, began)? && ancestry::holds(repo, work, began)?;
    Ok(continues.then_some((began, checkpoints)))
}

/// Git keeps branches as folders: `agent/codex-1` and `agent/codex-1/docs` cannot both be.
fn check_no_prefix(repo: &Repository, branch: &str) -> Result<()> {
    let ends = branch.match_indices('/').map(|(at, _)| &branch[..at]);
    let Some(other) = ends.into_iter().find(|name| repo.find_reference(&format!("refs/heads/{name}")).is_ok()) else {
        return Ok(());
    };
    Err(Refusal::guard("branch.in_the_way", format!("the branch {branch} cannot be made beside {other}"))
        .because("git cannot have a branch whose name is the beginning of another's")
        .next(format!("give that branch another name: git branch -m {other} {other}-main"))
        .into())
}
