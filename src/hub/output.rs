//! Checks where a command may write a file that a flag names.
//!
//! The caller chooses the path: a person may mistype it, an agent may be talked into it. So no
//! flag reaches the record, git's own files, what git tracks, or anything through a link; and a file that is
//! there already is replaced only when the same command wrote it before, or when `--force` says so.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use super::git::tracked::Tracked;
use super::{Hub, Worktree, paths};
use crate::base::{Refusal, Result, files, text};

/// Files outside the record that decide what may run and who may act.
const GUARDED: [&str; 5] = [paths::SETTINGS, paths::CONSENT, ".gitattributes", ".gitmodules", ".gitignore"];

/// What one flag may name.
pub struct Output<'a> {
    /// For messages: `--output`.
    pub flag: &'a str,
    /// How the paths in the record begin where such files belong; without any, none may be in the record.
    pub homes: &'a [&'a str],
    /// Replace a file that something else wrote, where nothing worse speaks against it.
    pub force: bool,
    /// Whether the same command wrote a file with this content.
    pub is_own: fn(&[u8]) -> bool,
}

impl Output<'_> {
    /// Checks a path relative to the hub.
    ///
    /// # Errors
    /// `output.*`, with what stands in the way; `path.outside` when it leaves the hub.
    pub fn check(&self, hub: &Hub, relative: &str) -> Result<()> {
        let path = hub.path(relative)?;
        self.check_in(&hub.worktree(), relative, &path)
    }

    /// Checks any path of this machine: one in a git worktree is held to the same rules.
    ///
    /// # Errors
    /// As [`Output::check`].
    pub fn check_anywhere(&self, path: &Path) -> Result<()> {
        let path = std::path::absolute(path).map_err(|e| files::io_refusal(e, "find", path))?;
        // As deep as there are folders: the rest is about to be made.
        let there = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let below = path.strip_prefix(there).unwrap_or(&path).to_owned();
        let folder = there.canonicalize().map_err(|e| files::io_refusal(e, "find", there))?;
        let place = folder.join(below);
        if place.components().any(|part| part == Component::ParentDir) {
            return Err(self.refuse(&place, "it leads through a folder that is not there").into());
        }
        match Worktree::containing(&folder) {
            Ok(worktree) if worktree.root == worktree.git_dir => {
                Err(self.refuse(&place, "it is in a git directory").into())
            }
            Ok(worktree) => match place.strip_prefix(&worktree.root) {
                Ok(relative) => self.check_in(&worktree, &relative.to_string_lossy(), &place),
                Err(_) => Err(self.refuse(&place, "it is in a git directory").into()),
            },
            Err(_) => self.check_replace(&place, self.inspect(&place)?),
        }
    }

    fn check_in(&self, worktree: &Worktree, relative: &str, path: &Path) -> Result<()> {
        // Case folding file systems take `.GIT` for `.git`.
        let parts: Vec<String> = relative.split('/').map(str::to_lowercase).collect();
        if parts.iter().any(|part| part == ".git") {
            return Err(self.refuse(path, "it is among git's own files").into());
        }
        let lower = parts.join("/");
        let manifest = lower.starts_with("agent_manifest") && lower.ends_with(".json");
        if manifest || GUARDED.contains(&lower.as_str()) {
            return Err(self.refuse(path, "that file decides what may run here, or who may act").into());
        }
        let at_home = self.homes.iter().any(|home| relative.starts_with(home) && relative.len() > home.len());
        if paths::is_record(&lower) && !at_home {
            return Err(self.refuse(path, "it is part of the record, which only its own commands write").into());
        }
        let found = self.inspect(path)?;
        let is_tracked = || Tracked::open(&worktree.git_dir).is_ok_and(|tracked| tracked.has(relative));
        if found != Found::Own && is_tracked() {
            return Err(self.refuse(path, "git tracks that file").into());
        }
        self.check_replace(path, found)
    }

    fn check_replace(&self, path: &Path, found: Found) -> Result<()> {
        if found != Found::Foreign || self.force {
            return Ok(());
        }
        let why = "the file is there already, and something else wrote it";
        Err(self.refuse(path, why).next("to replace it: add --force").into())
    }

    fn inspect(&self, path: &Path) -> Result<Found> {
        let Ok(found) = fs::symlink_metadata(path) else { return Ok(Found::Nothing) };
        if found.is_symlink() {
            return Err(self.refuse(path, "it is a symbolic link").into());
        }
        if !found.is_file() {
            return Err(self.refuse(path, "it is not a file").into());
        }
        // A file with a second name is somebody's on purpose.
        let bytes = files::read(path, files::MAX_DOCUMENT)?.unwrap_or_default();
        Ok(if found.nlink() == 1 && (self.is_own)(&bytes) { Found::Own } else { Found::Foreign })
    }

    fn refuse(&self, path: &Path, why: &str) -> Refusal {
        let shown = text::safe(&path.display().to_string());
        let refusal = Refusal::guard("output.refused", format!("{} may not write {shown}", self.flag)).because(why);
        match self.homes.first() {
            Some(home) => refusal.next(format!("name a new file, or one whose path begins with {home}")),
            None => refusal.next("name a new file"),
        }
    }
}

/// What stands where the file belongs.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    /// The same command wrote it.
    Own,
    Foreign,
}

/// Checks a folder that a command is about to make, or to fill with files of its own.
///
/// # Errors
/// When it lies in the record or in a git directory, or is a link.
pub fn check_folder(flag: &str, folder: &Path) -> Result<()> {
    let output = Output { flag, homes: &[], force: false, is_own: |_| false };
    if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
        return Err(output.refuse(folder, "it is a symbolic link").into());
    }
    // No such file: only where it would lie decides.
    output.check_anywhere(&folder.join(".teof-none"))
}
