//! The status of every worktree of the repository: owner, purpose and content.
//!
//! Only reads. The reason of git's lock decides who owns a worktree; everything else is information.

use std::fs;
use std::path::{Path, PathBuf};

use git2::{Repository, StatusOptions};
use serde::Serialize;

use super::metadata::WorktreeMetadata;
use super::place::{branch_ends_like, main_worktree};
use super::registry::{self, Registered};
use crate::base::{Result, Stamp, files};
use crate::hub::{Hub, paths, rule_files};
use crate::model::run::outcome::Outcome;

/// More than an outcome has.
const MAX_OUTCOME: u64 = files::MAX_DOCUMENT;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Owner {
    /// Belongs to a job.
    Ours,
    /// Belonged to a job; left to people because a commit cannot include its content.
    Kept,
    /// The hub itself.
    Hub,
    /// Belongs to a person or another tool.
    Others,
}

/// A worktree as it is now.
#[derive(Clone, Debug)]
pub struct WorktreeStatus {
    pub root: PathBuf,
    pub git_dir: PathBuf,
    /// `None` when HEAD names no branch.
    pub branch: Option<String>,
    pub owner: Owner,
    pub job: Option<String>,
    /// The last run that worked there.
    pub run: Option<String>,
    pub task: Option<String>,
    pub agent: Option<String>,
    pub made_at: Option<Stamp>,
    /// Its slot, once programs started in it.
    pub slot: Option<u16>,
    /// It was there before its job, by its branch's name.
    pub adopted: bool,
    /// Where the outcome of that run is, once it is over.
    outcome: Option<PathBuf>,
}

/// All worktrees: the main one first, then the linked ones by path.
pub fn statuses(hub: &Hub) -> Result<Vec<WorktreeStatus>> {
    Ok(statuses_of(hub, registered(hub)))
}

/// Every worktree of the repository as git knows it, in the same order.
pub fn registered(hub: &Hub) -> Vec<Registered> {
    let mut linked = registry::all(&hub.common_dir);
    linked.sort_by(|a, b| a.root.cmp(&b.root));
    let main = main_worktree(hub);
    let main = main.map(|main| Registered { root: main.root, git_dir: main.git_dir, reason: None });
    main.into_iter().chain(linked).collect()
}

/// The status of some worktrees.
pub fn statuses_of(hub: &Hub, some: Vec<Registered>) -> Vec<WorktreeStatus> {
    some.into_iter().map(|found| WorktreeStatus::of(hub, found)).collect()
}

impl WorktreeStatus {
    fn of(hub: &Hub, found: Registered) -> WorktreeStatus {
        let owner = match (found.job(), found.kept_job()) {
            (Some(_), _) => Owner::Ours,
            (_, Some(_)) => Owner::Kept,
            _ if found.root == hub.root => Owner::Hub,
            _ => Owner::Others,
        };
        let metadata = WorktreeMetadata::read(&found.git_dir);
        let run = found.run().map(str::to_owned);
        let outcome = run.as_deref().map(|run| hub.local(&paths::outcome(run)));
        let some = |text: String| (!text.is_empty()).then_some(text);
        WorktreeStatus {
            branch: registry::head_of(&found),
            job: found.job().or(found.kept_job()).map(str::to_owned),
            task: some(metadata.task).or_else(|| Some(read(outcome.as_deref()?)?.task_id)),
            agent: some(metadata.agent),
            made_at: metadata.made_at,
            slot: metadata.slot,
            adopted: metadata.adopted,
            owner,
            run,
            outcome,
            root: found.root,
            git_dir: found.git_dir,
        }
    }

    /// Whether its folder exists and is a folder.
    pub fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.root).is_ok_and(|found| found.is_dir())
    }

    /// The outcome of its last run, if that is over.
    pub fn outcome(&self) -> Option<Outcome> {
        read(self.outcome.as_deref()?)
    }

    /// Whether it has uncommitted changes besides the record and copied files; `None` when unknown. Trusts the
    /// worktree's index: for display only.
    pub fn is_dirty(&self) -> Option<bool> {
        rule_files::check_worktree(&self.root).ok()?;
        let repo = Repository::open(&self.git_dir).ok()?;
        repo.set_workdir(&self.root, false).ok()?;
        let metadata = WorktreeMetadata::read(&self.git_dir);
        let mut options = StatusOptions::new();
        options.include_untracked(true).exclude_submodules(true);
        let statuses = repo.statuses(Some(&mut options)).ok()?;
        let counts = |path: &str| !paths::is_owned(path.trim_end_matches('/')) && !metadata.is_copied(Path::new(path));
        Some(statuses.iter().any(|entry| counts(&String::from_utf8_lossy(entry.path_bytes()))))
    }

    /// The refs that keep uncommitted work of the job's runs.
    pub fn parked(&self, repo: &Repository) -> Vec<String> {
        let (Some(job), Some(run)) = (&self.job, &self.run) else { return Vec::new() };
        let names = repo
            .references_glob("refs/teof/parked/*")
            .into_iter()
            .flat_map(|mut found| found.names().flatten().map(str::to_owned).collect::<Vec<_>>());
        let of_ours = |name: &String| {
            let name = name.strip_prefix("refs/teof/parked/").unwrap_or_default();
            name.strip_prefix(run.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
                || name.strip_prefix(job.as_str()).is_some_and(|rest| rest.starts_with('.'))
        };
        names.filter(of_ours).collect()
    }

    /// Whether its branch suggests a task: the branch has the same ending as the task, such as `feature/auth-05A` for
    /// `implement-auth-05A`. Branches of claims have the task in lower case.
    pub fn branch_ends_like(&self, task: &str) -> bool {
        let of_claim = |branch: &str| branch.starts_with("agent/") && branch_ends_like(branch, &task.to_lowercase());
        self.branch.as_deref().is_some_and(|branch| branch_ends_like(branch, task) || of_claim(branch))
    }
}

fn read(outcome: &Path) -> Option<Outcome> {
    serde_json::from_slice(&files::read(outcome, MAX_OUTCOME).ok()??).ok()
}
