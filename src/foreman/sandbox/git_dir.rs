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

/// What a confined program may write of the git dir. The folders are made, because only one that exists can be granted.
///
/// Of the object store it is the 256 folders of loose objects: a commit needs no packs and no alternates.
///
/// The paths are not resolved: a link in one of them was planted, and is refused when a program starts.
pub fn writable(common_dir: &Path, at: &Workplace) -> Result<Vec<PathBuf>> {
    let objects = common_dir.canonicalize()?.join("objects");
    let mut found: Vec<_> = (0..=u8::MAX).map(|first| objects.join(format!("{first:02x}"))).collect();
    found.iter().try_for_each(|folder| made(folder))?;
    found.extend(besides_objects(common_dir, at)?);
    Ok(found)
}

/// The same for a container, where 256 mounts would be too many: what is writable, and what inside of it is not.
pub fn mounted(common_dir: &Path, at: &Workplace) -> Result<(Vec<PathBuf>, [PathBuf; 2])> {
    let objects = common_dir.canonicalize()?.join("objects");
    let closed = ["info", "pack"].map(|folder| objects.join(folder));
    closed.iter().try_for_each(|folder| made(folder))?;
    let mut found = besides_objects(common_dir, at)?;
    found.push(objects);
    Ok((found, closed))
}

fn besides_objects(common_dir: &Path, at: &Workplace) -> Result<Vec<PathBuf>> {
    let common_dir = common_dir.canonicalize()?;
    let mut found = vec![at.git_dir.canonicalize()?];
    // Contents that git-lfs keeps, next to git's own.
    found.extend(Some(common_dir.join("lfs")).filter(|path| path.is_dir()));
    if let Some((folder, _)) = at.branch.rsplit_once('/') {
        for refs in REFS {
            let path = common_dir.join(refs).join(folder);
            made(&path)?;
            found.push(path);
        }
    }
    Ok(found)
}

fn made(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder).map_err(|e| files::io_refusal(e, "create", folder))
}
