//! Metadata of teof's worktrees, in the worktree's git directory: `teof.json`.
//!
//! It records what the worktree is for and which of its files are not an agent's work. A worker can write it, so it
//! does not decide who owns the worktree (only the reason of git's lock does), nor whether the set-up has run
//! ([`setup_state`]). A missing or damaged file reads as empty.

pub mod setup_state;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::base::{Result, Stamp, files, json};

/// In the worktree's own git directory, so that it is removed with the worktree.
const FILE: &str = "teof.json";
/// Longer than any file that teof writes.
const MAX: u64 = 16 * 1024 * 1024;

/// Size, seconds and nanoseconds of the last change, inode: with the same values, a file was not written to.
pub type Stat = (u64, i64, i64, u64);

pub fn stat(meta: &Metadata) -> Stat {
    (meta.len(), meta.mtime(), meta.mtime_nsec(), meta.ino())
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WorktreeMetadata {
    pub task: String,
    /// The seat.
    pub agent: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub made_at: Option<Stamp>,
    /// It was there before its job, which works in it because of its branch's name.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub adopted: bool,
    /// The worktree's slot, while it exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<u16>,
    /// The inodes of the worktree's folder and its parent at creation. Without the device, whose number may change at
    /// a restart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub folders: Option<(u64, u64)>,
    /// Files and folders that were copied in; teof never commits them.
    pub copied: BTreeSet<String>,
    /// Files under a content filter of git, as the set-up left them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub filtered: BTreeMap<String, Stat>,
}

impl WorktreeMetadata {
    pub fn read(git_dir: &Path) -> WorktreeMetadata {
        let bytes = files::read(&git_dir.join(FILE), MAX).ok().flatten().unwrap_or_default();
        serde_json::from_slice(&bytes).unwrap_or_default()
    }

    pub fn write(&self, git_dir: &Path) -> Result<()> {
        files::replace(&git_dir.join(FILE), (json::pretty(self) + "\n").as_bytes())
    }

    /// Whether a file under a content filter is unchanged since the set-up, so not work.
    pub fn is_as_left(&self, path: &Path, meta: &Metadata) -> bool {
        path.to_str().and_then(|path| self.filtered.get(path)).is_some_and(|left| *left == stat(meta))
    }

    /// Whether a path of the worktree was copied in, or is below a copied path.
    pub fn is_copied(&self, path: &Path) -> bool {
        path.ancestors().any(|path| path.to_str().is_some_and(|path| self.copied.contains(path)))
    }
}
