//! Refuses a `.gitignore` or `.gitattributes` that is not a regular file: git and libgit2 open any file type and
//! would block on a FIFO.

use std::fs;
use std::path::Path;

use super::paths;
use crate::base::{Refusal, Result};

const NAMES: [&str; 2] = [".gitignore", ".gitattributes"];

/// Refuses a folder whose git rule files are not regular files.
///
/// # Errors
/// `file.not_regular`.
pub fn check_folder(folder: &Path) -> Result<()> {
    for path in NAMES.map(|name| folder.join(name)) {
        // Links are followed, as libgit2 does.
        if fs::metadata(&path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
            return Err(Refusal::guard("file.not_regular", format!("{} is not a regular file", path.display()))
                .because("it is a FIFO, a socket or a device, and git would block on it")
                .next("remove it or replace it with a regular file")
                .into());
        }
    }
    Ok(())
}

/// Checks a worktree's top folder and its owned folders.
///
/// # Errors
/// As [`check_folder`].
pub fn check_worktree(root: &Path) -> Result<()> {
    [""].into_iter().chain(paths::OWNED).try_for_each(|folder| check_folder(&root.join(folder)))
}
