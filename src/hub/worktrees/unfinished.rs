//! Finds worktrees left unfinished by a killed git, and moves them away because git commands fail on them.
//!
//! Git writes the files about a worktree one after the other, and an empty `commondir` among them is an error for
//! `git branch`, `git worktree` and every other command that reads all worktrees. Those that teof was creating are
//! moved into teof's own folder: no work was ever done there. A power cut leaves the same, because git syncs none of
//! these files: then work may be in the worktree's folder, which stays.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::metadata::setup_state;
use super::registry;
use crate::base::Result;
use crate::base::files;
use crate::hub::Hub;

/// How long one must stay unfinished, because git may still be creating it.
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 5;
/// Machine-local: where they go.
const ASIDE: &str = "half-made";

/// An unfinished worktree.
#[derive(Clone, Debug)]
pub struct Unfinished {
    pub git_dir: PathBuf,
    /// Its reason says that teof was creating it; or a power cut emptied that, and teof noted that it created it.
    pub is_ours: bool,
}

/// All that exist now, including one that git is creating at this moment.
pub fn find(common_dir: &Path) -> Vec<Unfinished> {
    let folders = fs::read_dir(common_dir.join("worktrees")).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path()).filter(|path| path.is_dir() && is_unfinished(path));
    folders
        .map(|git_dir| {
            let reason = fs::read_to_string(git_dir.join("locked")).unwrap_or_default();
            let is_known = reason.trim().is_empty() && setup_state::is_known(common_dir, &git_dir);
            Unfinished { is_ours: reason.starts_with("teof") || is_known, git_dir }
        })
        .collect()
}

/// Checks file names only, as git does. Git skips a folder without any of them.
fn is_unfinished(git_dir: &Path) -> bool {
    let parts = ["gitdir", "commondir", "HEAD"];
    let is_empty = |name: &str| fs::read(git_dir.join(name)).is_ok_and(|text| text.trim_ascii().is_empty());
    let is_there = |name: &str| git_dir.join(name).exists();
    parts.iter().any(|name| is_empty(name)) || (is_there("gitdir") && !parts.iter().all(|name| is_there(name)))
}

/// Moves teof's own away. Returns where they were.
///
/// # Errors
/// When one cannot be moved.
pub fn repair(hub: &Hub) -> Result<Vec<PathBuf>> {
    let mut found = find(&hub.common_dir);
    found.retain(|found| found.is_ours);
    for _ in 0..STEPS {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        std::thread::sleep(STEP);
        found.retain(|found| is_unfinished(&found.git_dir));
    }
    found.iter().map(|found| set_aside(hub, &found.git_dir).map(|()| found.git_dir.clone())).collect()
}

/// Moves one away, no matter which process was creating it.
///
/// # Errors
/// When it cannot be moved.
pub fn set_aside(hub: &Hub, git_dir: &Path) -> Result<()> {
    let name = git_dir.file_name().unwrap_or_default().to_string_lossy();
    let folder = hub.local(ASIDE);
    let place = (1..).map(|n| folder.join(format!("{name}-{n}"))).find(|place| fs::symlink_metadata(place).is_err());
    let place = place.unwrap_or(folder);
    files::create_parent(&place)?;
    let root = registry::root_of(git_dir);
    fs::rename(git_dir, &place).map_err(|e| files::io_refusal(e, "move aside", git_dir))?;
    tracing::warn!("git was killed while it created {}: moved to {}", git_dir.display(), place.display());
    // Its folder contained only the link to what was moved.
    if let Some(root) = root
        && fs::read_dir(&root).is_ok_and(|names| names.flatten().all(|entry| entry.file_name() == ".git"))
        && fs::symlink_metadata(root.join(".git")).is_ok_and(|link| link.is_file())
    {
        let _ = fs::remove_file(root.join(".git"));
        let _ = fs::remove_dir(&root);
    }
    Ok(())
}
