//! A job's worktree, where the worktrees of a repository are, and which branches belong to a task by their names.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use git2::Oid;

use super::checkpoint::{Before, Checkpoint, Mark, WorktreeRepository};
use super::registry;
use crate::base::{Result, Stamp};
use crate::hub::git::Git;
use crate::hub::{Hub, Worktree, paths};

/// Creating a worktree of a large repository takes a while, and other runs may be waiting, too.
pub(super) const WAIT: Duration = Duration::from_secs(120);

/// What a run needs a worktree for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub job: &'a str,
    pub task: &'a str,
    pub run: &'a str,
    pub agent: &'a str,
    /// `agent/<seat>/<slug>`.
    pub branch: &'a str,
    /// The order's base commit.
    pub base: &'a str,
    /// Jobs whose work this one continues, newest first: the first existing worktree is taken over unchanged.
    pub before: &'a [String],
}

/// A job's worktree, ready for work.
#[derive(Clone, Debug)]
pub struct Place {
    pub root: PathBuf,
    /// `<common dir>/worktrees/<name>`.
    pub git_dir: PathBuf,
    /// The wanted branch, or `<branch>-2`… when that one has other work; empty when detached.
    pub branch: String,
    /// The base of this job's work: the order's, or an older one of an earlier attempt.
    pub base: Oid,
    /// The stages that earlier attempts of this job finished, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// The ref that keeps uncommitted work found here, if there was any.
    pub parked: Option<String>,
    /// Made now: nobody has worked in it.
    pub is_new: bool,
}

impl Place {
    /// The last commit of this job's work, or its base.
    pub fn tip(&self) -> Oid {
        self.before().tip()
    }

    fn before(&self) -> Before<'_> {
        Before { branch: &self.branch, base: self.base, checkpoints: &self.checkpoints }
    }

    /// Commits a stage's tree, as [`WorktreeRepository::commit`].
    ///
    /// # Errors
    /// When git cannot write it.
    pub fn commit(&self, tree: Oid, mark: &Mark, at: Stamp) -> Result<Checkpoint> {
        self.repository()?.commit(&self.before(), tree, mark, at)
    }

    /// Git for this worktree, with the git directory named.
    pub fn git(&self) -> Git {
        Git::named(&self.root, &self.git_dir)
    }

    pub fn repository(&self) -> Result<WorktreeRepository> {
        WorktreeRepository::open(&self.git_dir, &self.root)
    }
}

/// The folder of this repository's worker worktrees: the setting, or [`beside`] the repository.
pub fn home(hub: &Hub) -> Result<PathBuf> {
    let setting = &hub.settings()?.worker.worktrees;
    if setting.is_empty() { beside(hub, "worktrees") } else { Ok(hub.root.join(setting)) }
}

/// The folder `<repository>.<what>` next to the repository. If that would be an untracked folder in another
/// repository's checkout (the parent of a submodule), `<what>` in the state folder.
///
/// # Errors
/// When the repository is at the root of the disk.
pub fn beside(hub: &Hub, what: &str) -> Result<PathBuf> {
    let folder = repository(hub).with_file_name(format!("{}.{what}", repository_name(hub)?));
    Ok(if is_seen_by_another(&folder) { hub.state_home().join(what) } else { folder })
}

/// The repository's name: its folder's, whatever the hub's is called.
///
/// # Errors
/// When the repository is at the root of the disk.
pub fn repository_name(hub: &Hub) -> Result<String> {
    let repository = repository(hub);
    let name = repository.file_name().context("the repository is at the root of the disk")?.to_string_lossy();
    Ok(name.trim_end_matches(".git").to_owned())
}

/// The main worktree. A bare repository is its own folder, or the folder around it where it is called `.git`.
fn repository(hub: &Hub) -> PathBuf {
    let around = hub.common_dir.parent().filter(|_| hub.common_dir.ends_with(".git")).map(Path::to_owned);
    main_worktree(hub).map(|main| main.root).or(around).unwrap_or_else(|| hub.common_dir.clone())
}

/// Whether the checkout of another repository would show a folder as untracked.
fn is_seen_by_another(folder: &Path) -> bool {
    let outer = folder.ancestors().skip(1).find_map(Worktree::at);
    let repo = outer.and_then(|outer| git2::Repository::open(&outer.root).ok());
    repo.is_some_and(|repo| !repo.is_path_ignored(folder.join("x")).unwrap_or(false))
}

/// The main worktree; a bare repository has none.
///
/// A git directory elsewhere (a submodule's, a separate one) does not name it. Then it is the hub, the worktree of
/// the current folder, or the one that `core.worktree` names.
pub fn main_worktree(hub: &Hub) -> Option<Worktree> {
    if let Some(main) = Worktree::main_of(&hub.common_dir) {
        return Some(main);
    }
    let named = || {
        let root = git2::Repository::open(&hub.common_dir).ok()?.workdir()?.canonicalize().ok()?;
        Some(Worktree { root, git_dir: hub.common_dir.clone(), common_dir: hub.common_dir.clone() })
    };
    let is_main = |found: &Worktree| found.git_dir == hub.common_dir && found.root.join(".git").exists();
    [hub.worktree(), hub.here.clone()].into_iter().find(is_main).or_else(named)
}

/// Every worktree of the repository, even if its folder is missing; the main one first.
pub fn every(hub: &Hub) -> Vec<Worktree> {
    main_worktree(hub).into_iter().chain(registry::linked(&hub.common_dir)).collect()
}

/// Whether the part of a branch behind its last `/` is the end of a task's name.
pub fn branch_ends_like(branch: &str, task: &str) -> bool {
    let Some((_, slug)) = branch.rsplit_once('/') else { return false };
    !slug.is_empty()
        && task.strip_suffix(slug).is_some_and(|before| before.is_empty() || before.ends_with(['-', '_', '.']))
}

/// Whether a branch was made for this very task, by its name. A common word (`fix/parser` and `document-parser`) says
/// too little: the shared end has a number in it. Branches of seats belong to claims.
pub fn is_task_branch(branch: &str, task: &str) -> bool {
    let numbered = branch.rsplit_once('/').is_some_and(|(_, slug)| slug.contains(|c: char| c.is_ascii_digit()));
    numbered && branch_ends_like(branch, task) && !branch.starts_with("agent/") && branch != paths::RECORD_BRANCH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_branch_is_for_a_task_that_ends_alike_with_a_number() {
        for (branch, task, is) in [
            ("feature/auth-05A", "implement-auth-05A", true),
            ("feature/05A", "implement-auth-05A", true),
            ("task/QUEUE-001", "QUEUE-001", true),
            ("feature/auth-05A", "implement-oauth-05A", false),
            ("feature/parser", "document-parser", false),
            ("auth-05A", "auth-05A", false),
            ("agent/codex-1/QUEUE-001", "QUEUE-001", false),
        ] {
            assert_eq!(is_task_branch(branch, task), is, "{branch} {task}");
        }
    }
}
