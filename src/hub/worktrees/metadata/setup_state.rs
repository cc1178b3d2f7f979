//! What teof knows of a worktree's set-up: `<common dir>/teof/setups/<worktree>.json`.
//!
//! Not in the worktree's own git dir, which a confined worker can write: it would make the next attempt believe that
//! the set-up has run, or put files of its own into the cache. Without the file, the set-up runs again and its result
//! is not kept.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Serialize};

use crate::base::{Result, files, json};
use crate::hub::Hub;

const FOLDER: &str = "setups";

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct SetupState {
    /// Inode of the worktree's git dir, and when it was made, in nanoseconds since 1970, where the file system tells
    /// it: the name may be that of an earlier worktree.
    git_dir: (u64, Option<u64>),
    /// teof created the worktree, and no agent has worked in it. Not noted where there is no set-up.
    is_unused: bool,
    /// The digest of the set-up lines that ran there.
    #[serde(skip_serializing_if = "Option::is_none")]
    setup: Option<String>,
}

/// Notes that teof created the worktree just now.
///
/// # Errors
/// When the note cannot be written.
pub fn mark_created(hub: &Hub, git_dir: &Path) -> Result<()> {
    let is_unused = !hub.settings()?.worktrees.setup.is_empty();
    write(hub, git_dir, SetupState { is_unused, ..SetupState::default() })
}

/// Notes that agents work here from now on.
///
/// # Errors
/// When the note cannot be written.
pub fn mark_used(hub: &Hub, git_dir: &Path) -> Result<()> {
    let known = read(hub, git_dir);
    if known.is_unused { write(hub, git_dir, SetupState { is_unused: false, ..known }) } else { Ok(()) }
}

/// Whether teof created the worktree for a set-up, and no agent has worked in it.
pub fn is_unused(hub: &Hub, git_dir: &Path) -> bool {
    read(hub, git_dir).is_unused
}

/// Records that the set-up with this digest ran here.
///
/// # Errors
/// When the note cannot be written.
pub fn mark_set_up(hub: &Hub, git_dir: &Path, digest: &str) -> Result<()> {
    write(hub, git_dir, SetupState { setup: Some(digest.to_owned()), ..read(hub, git_dir) })
}

/// Whether the set-up with this digest ran here.
pub fn is_set_up(hub: &Hub, git_dir: &Path, digest: &str) -> bool {
    read(hub, git_dir).setup.as_deref() == Some(digest)
}

/// Whether anything is known of a worktree with this name: teof created it.
pub fn is_known(common_dir: &Path, git_dir: &Path) -> bool {
    let name = git_dir.file_name().unwrap_or_default().to_string_lossy();
    common_dir.join("teof").join(FOLDER).join(format!("{name}.json")).exists()
}

/// Removes what is known of the worktree with this git dir.
///
/// # Errors
/// When the note cannot be removed.
pub fn forget(hub: &Hub, git_dir: &Path) -> Result<()> {
    files::discard(&file(hub, git_dir))
}

fn read(hub: &Hub, git_dir: &Path) -> SetupState {
    let bytes = files::read(&file(hub, git_dir), files::MAX_DOCUMENT).ok().flatten().unwrap_or_default();
    let known: SetupState = serde_json::from_slice(&bytes).unwrap_or_default();
    if identity(git_dir).is_some_and(|now| now == known.git_dir) { known } else { SetupState::default() }
}

fn write(hub: &Hub, git_dir: &Path, state: SetupState) -> Result<()> {
    let path = file(hub, git_dir);
    let git_dir = identity(git_dir).unwrap_or_default();
    files::create_parent(&path)?;
    files::replace(&path, (json::pretty(&SetupState { git_dir, ..state }) + "\n").as_bytes())
}

fn file(hub: &Hub, git_dir: &Path) -> PathBuf {
    let name = git_dir.file_name().unwrap_or_default().to_string_lossy();
    hub.local(&format!("{FOLDER}/{name}.json"))
}

fn identity(git_dir: &Path) -> Option<(u64, Option<u64>)> {
    let found = fs::symlink_metadata(git_dir).ok()?;
    let made = found.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Some((found.ino(), made.and_then(|made| u64::try_from(made.as_nanos()).ok())))
}
