//! What git's own files say about linked worktrees, and whose each of them is.
//!
//! Only reads, but for lock files of git's that nobody lets go of.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long, and in which steps, a lock file of git's is watched before it counts as left over.
const STALE_AFTER: u32 = 20;
const STALE_STEP: Duration = Duration::from_millis(100);
const REASON: &str = "teof job ";
/// Instead of [`REASON`]: left to people, with work in it that no commit can hold.
const KEPT: &str = "teof keeps job ";

/// A linked worktree, as git's files describe it.
pub struct Registered {
    pub root: PathBuf,
    pub git_dir: PathBuf,
    pub reason: Option<String>,
}

impl Registered {
    /// Its folder is there, and is a folder.
    pub fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.root).is_ok_and(|found| found.is_dir())
    }

    /// Git was not killed while it made it: nothing was ever worked on in one that is half made.
    pub fn is_whole(&self) -> bool {
        git2::Repository::open(&self.git_dir).is_ok()
    }

    pub fn job(&self) -> Option<&str> {
        self.reason.as_deref()?.strip_prefix(REASON)?.split(' ').next()
    }

    /// The job that it was, when it is left to people.
    pub fn kept_job(&self) -> Option<&str> {
        self.reason.as_deref()?.strip_prefix(KEPT)?.split(' ').next()
    }

    pub fn run(&self) -> Option<&str> {
        self.reason.as_deref()?.split(" run ").nth(1)
    }
}

/// The branch that is checked out there.
pub fn head_of(worktree: &Registered) -> Option<String> {
    branch_in(&worktree.git_dir.join("HEAD"))
}

pub fn branch_in(head: &Path) -> Option<String> {
    fs::read_to_string(head).ok()?.trim().strip_prefix("ref: refs/heads/").map(str::to_owned)
}

/// The folder of the worktree that a git directory is about.
pub fn root_of(git_dir: &Path) -> Option<PathBuf> {
    let link = fs::read_to_string(git_dir.join("gitdir")).ok()?;
    Path::new(link.trim_end()).parent().map(Path::to_owned)
}

/// All linked worktrees of the repository.
pub fn all(common_dir: &Path) -> Vec<Registered> {
    let folders = fs::read_dir(common_dir.join("worktrees")).into_iter().flatten().flatten();
    folders
        .filter_map(|entry| {
            let git_dir = entry.path();
            let root = root_of(&git_dir)?;
            let reason = fs::read_to_string(git_dir.join("locked")).ok().map(|text| text.trim().to_owned());
            Some(Registered { root, git_dir, reason })
        })
        .collect()
}

/// Why a job's worktree is locked.
pub fn reason(job: &str, run: &str) -> String {
    format!("{REASON}{job} run {run}")
}

/// Why a worktree is locked that is left to people.
pub fn kept(job: &str, run: &str) -> String {
    format!("{KEPT}{job} run {run}")
}

/// Takes away a lock file of git's that a killed worker left on what is ours. Git holds such locks for
/// moments; one that nobody lets go of is nobody's.
pub fn clear_stale(lock: &Path) {
    let inode = |path: &Path| fs::symlink_metadata(path).ok().map(|found| found.ino());
    let Some(found) = inode(lock) else { return };
    for _ in 0..STALE_AFTER {
        std::thread::sleep(STALE_STEP);
        if inode(lock) != Some(found) {
            return;
        }
    }
    tracing::warn!("removing {}, which nobody lets go of", lock.display());
    let _ = fs::remove_file(lock);
}
