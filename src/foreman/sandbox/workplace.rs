//! Where the programs of a sandbox work.

use std::path::{Path, PathBuf};

/// The worktree that programs run in.
pub struct Workplace<'a> {
    pub root: &'a Path,
    pub git_dir: &'a Path,
    /// Empty: no branch is writable.
    pub branch: &'a str,
    /// The run's own folder, which they can read.
    pub session: &'a Path,
    /// What else they may write: folders and files, without links.
    pub own: &'a [PathBuf],
}
