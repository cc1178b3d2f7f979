//! Worktrees by convention: the end of a branch's name is the end of its task's, `feature/auth-05A` for
//! `implement-auth-05A`.
//!
//! A job works on such a branch, and in the worktree that has it, when exactly one exists and nobody else needs it now.
//! Everything else is left alone, and the reason is told. People and interactive agents get a task's worktree here,
//! too.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::{BranchType, Oid, Repository, StatusOptions};

use super::branch;
use super::metadata::WorktreeMetadata;
use super::place::{WAIT, Wanted, every, home, is_task_branch, main_worktree};
use super::registry::{self, Registered};
use super::unfinished;
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, files, names};
use crate::hub::{Hub, Worktree, rule_files};

/// The lock's reason while git makes a worktree for people. If git is killed, it tells whose the remains are.
const OPENING: &str = "teof: opening";

/// What exists for a task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Existing {
    Nothing,
    /// The job works on this branch, which is at this commit.
    Branch {
        name: String,
        tip: Oid,
    },
    /// There is something that the job must not use.
    Unusable(String),
}

/// The branch that a job of this task works on, besides the target. `why_not`: why others need a branch now.
///
/// # Errors
/// When the repository cannot be read, and those of `why_not`.
pub fn existing(
    hub: &Hub,
    task: &str,
    target: &str,
    why_not: &dyn Fn(&str) -> Result<Option<String>>,
) -> Result<Existing> {
    let repo = Repository::open(&hub.common_dir).context("open the repository")?;
    let mut found = Vec::new();
    for branch in repo.branches(Some(BranchType::Local))? {
        let (branch, _) = branch?;
        if let (Ok(Some(name)), Some(tip)) = (branch.name(), branch.get().target())
            && is_task_branch(name, task)
            && name != target
        {
            found.push((name.to_owned(), tip));
        }
    }
    let (name, tip) = match found.as_slice() {
        [] => return Ok(Existing::Nothing),
        [(name, tip)] => (name.clone(), *tip),
        several => {
            let names: Vec<_> = several.iter().map(|(name, _)| name.as_str()).collect();
            let why = format!("{} branches are for {task}: {}", several.len(), names.join(", "));
            return Ok(Existing::Unusable(why));
        }
    };
    Ok(match why_not(&name)?.or_else(|| in_use(hub, &name)) {
        Some(why) => Existing::Unusable(why),
        None => Existing::Branch { name, tip },
    })
}

/// Why a branch cannot be worked on now.
fn in_use(hub: &Hub, branch: &str) -> Option<String> {
    for worktree in every(hub) {
        let shown = worktree.root.display();
        if worktree.holding(branch).is_some() {
            return Some(format!("{branch} is being changed in {shown}"));
        }
        if worktree.branch().as_deref() != Some(branch) {
            continue;
        }
        let is_linked = main_worktree(hub).is_none_or(|main| main.git_dir != worktree.git_dir);
        if !is_linked || worktree.root == hub.root {
            return Some(format!("{branch} is checked out in {shown}, which is not a worktree of its own"));
        }
        let found = Registered { root: worktree.root.clone(), git_dir: worktree.git_dir.clone(), reason: None };
        if worktree.git_dir.join("locked").exists() {
            return Some(format!("{shown} is locked"));
        }
        if let Some(operation) = worktree.operation() {
            return Some(format!("{shown} is in the middle of {operation}"));
        }
        if !is_clean(&found) {
            return Some(format!("{shown} has uncommitted changes"));
        }
    }
    None
}

/// Whether a worktree is there and holds exactly its last commit, ignored files aside.
fn is_clean(found: &Registered) -> bool {
    let clean = || -> Result<bool> {
        rule_files::check_worktree(&found.root)?;
        let repo = Repository::open(&found.git_dir)?;
        repo.set_workdir(&found.root, false)?;
        Ok(repo.statuses(Some(StatusOptions::new().include_untracked(true)))?.is_empty())
    };
    found.is_there() && registry::links_to(&found.root, &found.git_dir) && clean().unwrap_or(false)
}

/// The worktree of others in which a job works, because it has the job's branch and is free.
pub(super) fn adopted<'k>(hub: &Hub, wanted: &Wanted, known: &'k [Registered]) -> Option<&'k Registered> {
    let has_it = |found: &&Registered| registry::head_of(found).as_deref() == Some(wanted.branch);
    let found = known.iter().find(has_it).filter(|_| is_task_branch(wanted.branch, wanted.task))?;
    in_use(hub, wanted.branch).is_none().then_some(found)
}

/// Whether a worktree was there before its job.
pub(super) fn is_adopted(found: &Registered) -> bool {
    WorktreeMetadata::read(&found.git_dir).adopted
        && found.is_there()
        && registry::links_to(&found.root, &found.git_dir)
}

/// Whether a job works in a worktree that was there before it.
pub fn has_adopted(hub: &Hub, job: &str) -> bool {
    registry::all(&hub.common_dir).iter().any(|found| found.job() == Some(job) && is_adopted(found))
}

/// Gives a worktree that was there before its job back, as it is.
pub(super) fn release(git_dir: &Path) -> Result<()> {
    let metadata = WorktreeMetadata { adopted: false, task: String::new(), ..WorktreeMetadata::read(git_dir) };
    metadata.write(git_dir)?;
    unlock(git_dir)
}

/// A worktree for a person or an interactive agent.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Opened {
    pub path: PathBuf,
    pub branch: String,
    /// It was made now.
    pub made: bool,
}

/// Finds the worktree that has the branch `wanted`, or makes one with it, `<home>/<name>`; a new branch starts at the
/// target.
///
/// # Errors
/// `branch.in_use` when it is the branch of the hub or of the main worktree; `worktree.missing` when somebody removed
/// its folder; `worktree.taken` when something else is in its place.
pub fn open(hub: &Hub, name: &str, wanted: &str) -> Result<Opened> {
    names::check_id("worktree", name)?;
    let wait = |path: PathBuf| FileLock::acquire(&path, WAIT, "lock.wait", &format!("make worktree {name}"));
    let _lock = wait(hub.local("locks/worktrees.lock"))?;
    unfinished::repair(hub)?;
    if let Some(found) = every(hub).into_iter().find(|found| found.branch().as_deref() == Some(wanted)) {
        check_own(hub, &found, wanted)?;
        if registry::lock_reason(&found.git_dir).as_deref() == Some(OPENING) {
            unlock(&found.git_dir)?;
        }
        if !found.root.is_dir() {
            return Err(missing(&found, wanted).into());
        }
        return Ok(Opened { path: found.root, branch: wanted.to_owned(), made: false });
    }
    let path = free_folder(hub, name)?;
    let repo = Repository::open(&hub.common_dir).context("open the repository")?;
    branch::check_no_prefix(&repo, wanted)?;
    let shown = path.to_str().context("the worktree's path is not UTF-8")?;
    let add = ["worktree", "add", "--quiet", "--lock", "--reason", OPENING];
    let target = match repo.find_reference(&format!("refs/heads/{wanted}")) {
        Ok(_) => None,
        Err(_) => Some(target(hub)?),
    };
    let what: &[&str] = match &target {
        None => &[shown, wanted],
        Some(target) => &["--no-track", "-b", wanted, shown, target],
    };
    hub.git().run(&[&add, what].concat())?;
    let path = path.canonicalize()?;
    unlock(&Worktree::at(&path).context("the worktree that git just made")?.git_dir)?;
    Ok(Opened { path, branch: wanted.to_owned(), made: true })
}

/// Where a new worktree goes: `<home>/<name>`, or `<home>/<name>-2`, … where another seat's is there.
fn free_folder(hub: &Hub, name: &str) -> Result<PathBuf> {
    let folder = home(hub)?;
    std::fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
    let folder = folder.canonicalize().map_err(|e| files::io_refusal(e, "read", &folder))?;
    let known: HashSet<PathBuf> = every(hub).into_iter().map(|found| found.root).collect();
    let mut names = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name}-{n}")));
    let path = names.find_map(|name| Some(folder.join(name)).filter(|path| !known.contains(path)));
    let path = path.context("a free name")?;
    if path.symlink_metadata().is_ok() {
        return Err(Refusal::guard("worktree.taken", format!("{} exists already", path.display()))
            .because("it is not a worktree of this repository")
            .next("see what is there: teof worktree list")
            .into());
    }
    Ok(path)
}

fn unlock(git_dir: &Path) -> Result<()> {
    files::remove(&git_dir.join("locked"))
}

fn missing(found: &Worktree, branch: &str) -> Refusal {
    Refusal::guard("worktree.missing", format!("the worktree of {branch} is missing: {}", found.root.display()))
        .because("somebody removed or moved its folder without git")
        .next("if it is gone for good, remove git's entry: git worktree prune")
}

/// The branch that finished work goes to, as a ref.
///
/// # Errors
/// When no setting names it and the hub is on no branch.
pub fn target(hub: &Hub) -> Result<String> {
    hub.target()?.map(|target| format!("refs/heads/{target}")).ok_or_else(|| {
        Refusal::guard("worktree.no_target", "the hub is on no branch")
            .next("switch it to one: git switch <branch>")
            .into()
    })
}

fn check_own(hub: &Hub, found: &Worktree, branch: &str) -> Result<()> {
    let is_main = main_worktree(hub).is_some_and(|main| main.git_dir == found.git_dir);
    if !is_main && found.root != hub.root {
        return Ok(());
    }
    Err(Refusal::guard("branch.in_use", format!("{branch} is checked out in {}", found.root.display()))
        .because("a task's worktree is never the main one")
        .next("switch that one to another branch, then run the command again")
        .into())
}
