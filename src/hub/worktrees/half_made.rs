//! Worktrees that git was killed in the middle of making: git stumbles over them in every command.
//!
//! Git writes the files about a worktree one after the other, and an empty `commondir` among them is an error
//! for `git branch`, `git worktree` and whatever else looks at all worktrees. What we were making is moved out of
//! git's sight, into our own folder; nothing was ever worked on there.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::registry;
use crate::base::Result;
use crate::base::files;
use crate::hub::Hub;

/// How long one must stay half made: git may be making it this moment.
const STEP: Duration = Duration::from_millis(100);
const STEPS: u32 = 5;
/// Machine-local: where they go.
const ASIDE: &str = "half-made";

/// A worktree that is half made.
#[derive(Clone, Debug)]
pub struct HalfMade {
    pub git_dir: PathBuf,
    /// Its reason says that teof was making it.
    pub is_ours: bool,
}

/// Those that are there now; one that git is making this moment may be among them.
pub fn half_made(common_dir: &Path) -> Vec<HalfMade> {
    let folders = fs::read_dir(common_dir.join("worktrees")).into_iter().flatten().flatten();
    let folders = folders.map(|entry| entry.path()).filter(|path| path.is_dir() && is_half_made(path));
    folders
        .map(|git_dir| {
            let reason = fs::read_to_string(git_dir.join("locked")).unwrap_or_default();
            HalfMade { is_ours: reason.starts_with("teof"), git_dir }
        })
        .collect()
}

/// The names alone, as git reads them. A folder without any of them is passed over by git too.
fn is_half_made(git_dir: &Path) -> bool {
    let parts = ["gitdir", "commondir", "HEAD"];
    let is_empty = |name: &str| fs::read(git_dir.join(name)).is_ok_and(|text| text.trim_ascii().is_empty());
    let is_there = |name: &str| git_dir.join(name).exists();
    parts.iter().any(|name| is_empty(name)) || (is_there("gitdir") && !parts.iter().all(|name| is_there(name)))
}

/// Moves ours out of git's sight. Gives back what was moved, as it was called.
///
/// # Errors
/// When one cannot be moved.
pub fn repair(hub: &Hub) -> Result<Vec<PathBuf>> {
    let mut found = half_made(&hub.common_dir);
    found.retain(|half| half.is_ours);
    for _ in 0..STEPS {
        if found.is_empty() {
            return Ok(Vec::new());
        }
        std::thread::sleep(STEP);
        found.retain(|half| is_half_made(&half.git_dir));
    }
    found.iter().map(|half| set_aside(hub, &half.git_dir).map(|()| half.git_dir.clone())).collect()
}

/// Moves one out of git's sight, whoever was making it.
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
    tracing::warn!("git was killed while it made {}: moved to {}", git_dir.display(), place.display());
    // Its folder held nothing but the link to what was moved.
    if let Some(root) = root
        && fs::read_dir(&root).is_ok_and(|names| names.flatten().all(|entry| entry.file_name() == ".git"))
        && fs::symlink_metadata(root.join(".git")).is_ok_and(|link| link.is_file())
    {
        let _ = fs::remove_file(root.join(".git"));
        let _ = fs::remove_dir(&root);
    }
    Ok(())
}
