//! Reads linked worktrees from git's own files, and the job of each.
//!
//! Only reads, except that it removes git's stale lock files.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::metadata::WorktreeMetadata;
use crate::base::{Refusal, Result};
use crate::hub::{Hub, Worktree, locate};

/// How many steps, and how long each, a git lock file must exist before it counts as stale.
const STALE_AFTER: u32 = 20;
const STALE_STEP: Duration = Duration::from_millis(100);
const REASON: &str = "teof job ";
/// Instead of [`REASON`]: left to people, with work that a commit cannot include.
const KEPT_REASON: &str = "teof keeps job ";

/// A linked worktree, as git's files describe it.
pub struct Registered {
    pub root: PathBuf,
    pub git_dir: PathBuf,
    pub reason: Option<String>,
}

impl Registered {
    /// Whether its folder exists and is a folder.
    pub fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.root).is_ok_and(|found| found.is_dir())
    }

    /// Whether git finished creating it. No work was ever done in an unfinished one.
    pub fn is_whole(&self) -> bool {
        git2::Repository::open(&self.git_dir).is_ok()
    }

    pub fn job(&self) -> Option<&str> {
        self.reason.as_deref()?.strip_prefix(REASON)?.split(' ').next()
    }

    /// The job that it belonged to, when it is left to people.
    pub fn kept_job(&self) -> Option<&str> {
        self.reason.as_deref()?.strip_prefix(KEPT_REASON)?.split(' ').next()
    }

    pub fn run(&self) -> Option<&str> {
        self.reason.as_deref()?.split(" run ").nth(1)
    }
}

/// The branch that is checked out there.
pub fn head_of(worktree: &Registered) -> Option<String> {
    locate::branch_of(&worktree.git_dir)
}

/// The folder of the worktree that a git directory is about.
pub fn root_of(git_dir: &Path) -> Option<PathBuf> {
    root_as_at(git_dir, git_dir)
}

/// The worktree folder that `git_dir` named while it was at `place`: the link may be relative (`git worktree add
/// --relative-paths`).
pub fn root_as_at(git_dir: &Path, place: &Path) -> Option<PathBuf> {
    let link = fs::read_to_string(git_dir.join("gitdir")).ok()?;
    let link = Path::new(link.trim_end_matches(['\n', '\r'])).parent().filter(|link| !link.as_os_str().is_empty())?;
    if link.is_absolute() {
        return Some(link.to_owned());
    }
    // By names only: links are not followed, so that they are noticed.
    let mut root = place.to_owned();
    for part in link.components() {
        match part {
            Component::ParentDir => drop(root.pop()),
            Component::CurDir => {}
            part => root.push(part),
        }
    }
    Some(root)
}

/// The inodes of a worktree's folder and its parent; `None` when either is a link.
pub fn folders_of(root: &Path) -> Option<(u64, u64)> {
    let inode = |path: &Path| fs::symlink_metadata(path).ok().filter(fs::Metadata::is_dir).map(|found| found.ino());
    Some((inode(root)?, inode(root.parent()?)?))
}

/// Checks, before writing or deleting, that a folder is still the one created as this worktree: an agent can replace
/// it, or a folder above it, with a link.
///
/// # Errors
/// `git.replaced` when it is another one or this is unknown.
pub fn check_folder(git_dir: &Path, root: &Path) -> Result<()> {
    let Some(why) = replaced(git_dir, root) else { return Ok(()) };
    Err(Refusal::guard("git.replaced", format!("{} is not the original worktree folder", root.display()))
        .because(format!("{why}; nothing there was changed"))
        .next("check what is there now, then restore the worktree or delete what replaced it")
        .into())
}

fn replaced(git_dir: &Path, root: &Path) -> Option<&'static str> {
    let Some(now) = folders_of(root) else { return Some("a link or a file replaced it") };
    if !root.canonicalize().is_ok_and(|canonical| canonical == root) {
        return Some("its path contains a link");
    }
    match WorktreeMetadata::read(git_dir).folders {
        Some(made) if made != now => Some("another folder replaced it"),
        // A worker can write what its own git dir says of the folder, but not the link in another one's.
        _ if !links_to(root, git_dir) => Some("its .git points elsewhere"),
        _ => None,
    }
}

/// Whether the `.git` of a folder names this git dir.
pub fn links_to(root: &Path, git_dir: &Path) -> bool {
    let dot_git = root.join(".git");
    let linked = match fs::symlink_metadata(&dot_git) {
        Ok(found) if found.is_dir() => Some(dot_git),
        Ok(found) if found.is_file() => fs::read_to_string(&dot_git)
            .ok()
            .and_then(|text| Some(root.join(text.trim_end().strip_prefix("gitdir: ")?))),
        _ => None,
    };
    let canonical = |path: &Path| path.canonicalize().ok();
    linked.and_then(|linked| canonical(&linked)).is_some_and(|linked| Some(linked) == canonical(git_dir))
}

/// All linked worktrees of the repository.
pub fn all(common_dir: &Path) -> Vec<Registered> {
    let folders = fs::read_dir(common_dir.join("worktrees")).into_iter().flatten().flatten();
    folders
        .filter_map(|entry| {
            let git_dir = entry.path();
            let root = root_of(&git_dir)?;
            let reason = lock_reason(&git_dir);
            Some(Registered { root, git_dir, reason })
        })
        .collect()
}

/// Why a worktree is locked, if it is.
pub fn lock_reason(git_dir: &Path) -> Option<String> {
    fs::read_to_string(git_dir.join("locked")).ok().map(|text| text.trim().to_owned())
}

/// Whether teof made a worktree for a job, which works on a branch of its own.
pub fn is_of_a_job(git_dir: &Path) -> bool {
    lock_reason(git_dir).is_some_and(|reason| reason.starts_with(REASON) || reason.starts_with(KEPT_REASON))
}

/// Every linked worktree that git knows, even if teof did not create it or its folder is missing.
pub fn linked(common_dir: &Path) -> Vec<Worktree> {
    let known = all(common_dir).into_iter();
    known
        .map(|found| Worktree { root: found.root, git_dir: found.git_dir, common_dir: common_dir.to_owned() })
        .collect()
}

/// The run that last worked in the job's worktree, if there is one.
pub fn last_run(hub: &Hub, job: &str) -> Option<String> {
    let known = all(&hub.common_dir);
    known.iter().find(|w| w.job() == Some(job)).and_then(|w| w.run()).map(str::to_owned)
}

/// Why a job's worktree is locked.
pub fn reason(job: &str, run: &str) -> String {
    format!("{REASON}{job} run {run}")
}

/// The lock reason of a worktree that is left to people.
pub fn kept_reason(job: &str, run: &str) -> String {
    format!("{KEPT_REASON}{job} run {run}")
}

/// Removes a git lock file that a killed worker left. Git holds such locks briefly, so one that persists is stale.
pub fn clear_stale(lock: &Path) {
    let inode = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.ino());
    let Some(found) = inode(lock) else { return };
    for _ in 0..STALE_AFTER {
        std::thread::sleep(STALE_STEP);
        if inode(lock) != Some(found) {
            return;
        }
    }
    tracing::warn!("removing the stale lock {}", lock.display());
    let _ = fs::remove_file(lock);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worktrees_folder_is_found_by_a_link_of_either_kind() {
        let dir = tempfile::tempdir().unwrap();
        let git_dir = Path::new("/r/.git/worktrees/a");
        for (link, root) in [
            ("/far/a/.git\n", Some("/far/a")),
            ("../../../../far/a/.git\n", Some("/far/a")),
            ("../../../../far/./a b/.git\n", Some("/far/a b")),
            (".git\n", None),
            ("\n", None),
        ] {
            fs::write(dir.path().join("gitdir"), link).unwrap();
            // Moved away while its worktree is removed, a relative link still means what it meant.
            assert_eq!(root_as_at(dir.path(), git_dir).as_deref(), root.map(Path::new), "{link:?}");
        }
    }
}
