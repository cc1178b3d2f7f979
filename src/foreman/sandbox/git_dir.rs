//! The parts of the git dir that a commit on the own branch needs.
//!
//! Not among them: `config`, `hooks`, `teof`, `packed-refs`, other branches, tags and remotes' branches, the git dirs
//! of other worktrees. A branch whose name has no folder is not writable: its folder holds every branch. Then only the
//! foreman commits, which it does anyway.

use std::path::{Path, PathBuf};

use super::workplace::Workplace;
use crate::base::{Result, files};

/// Where a branch and its log are, below the common dir.
const REFS: [&str; 2] = ["refs/heads", "logs/refs/heads"];

/// What is writable of the git dir. The branch's folders are made, because only a folder that exists can be granted.
///
/// The paths are not resolved: a link in one of them was planted, and is refused when a program starts.
pub fn writable(common_dir: &Path, at: &Workplace) -> Result<Vec<PathBuf>> {
    let common_dir = common_dir.canonicalize()?;
    let mut found = vec![common_dir.join("objects"), at.git_dir.canonicalize()?];
    // Contents that git-lfs keeps, next to git's own.
    found.extend(Some(common_dir.join("lfs")).filter(|path| path.is_dir()));
    if let Some((folder, _)) = at.branch.rsplit_once('/') {
        for refs in REFS {
            let path = common_dir.join(refs).join(folder);
            std::fs::create_dir_all(&path).map_err(|e| files::io_refusal(e, "create", &path))?;
            found.push(path);
        }
    }
    Ok(found)
}
