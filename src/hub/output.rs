//! Checks where a command may write a file that a flag names.
//!
//! The caller chooses the path; a person may mistype it, and an agent may be tricked. So no flag may name the record,
//! git's own files, tracked files, or anything through a link. An existing file is replaced only when the same
//! command wrote it before, or with `--force`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path};

use super::git::tracked::Tracked;
use super::{Hub, Worktree, paths};
use crate::base::{Refusal, Result, files, text};

/// Files outside the record that control what may run and who may act.
const GUARDED: [&str; 2] = [paths::SETTINGS, paths::CONSENT];
/// Files of git that do so in each folder, the record's included.
const OF_GIT: [&str; 3] = [".gitattributes", ".gitmodules", ".gitignore"];

/// The paths that one flag may name.
pub struct Output<'a> {
    /// For messages: `--output`.
    pub flag: &'a str,
    /// Prefixes of the allowed paths in the record; empty: the record is not allowed.
    pub homes: &'a [&'a str],
    /// Replace a file written by something else, unless another rule forbids it; `None`: the command has no `--force`.
    pub force: Option<bool>,
    /// Whether the same command wrote a file with this content.
    pub is_own: fn(&[u8]) -> bool,
}

impl Output<'_> {
    /// Checks a path relative to the hub.
    ///
    /// # Errors
    /// `output.*`, with the reason; `path.outside` when it leaves the hub.
    pub fn check(&self, hub: &Hub, relative: &str) -> Result<()> {
        let path = hub.path(relative)?;
        self.check_in(&hub.worktree(), relative, &path)
    }

    /// Checks any path of this machine; in a git worktree the same rules apply.
    ///
    /// # Errors
    /// As [`Output::check`].
    pub fn check_anywhere(&self, path: &Path) -> Result<()> {
        if path.as_os_str().is_empty() {
            return Err(Refusal::usage("output.empty", format!("{} names no file", self.flag)).into());
        }
        let path = std::path::absolute(path).map_err(|e| files::io_refusal(e, "find", path))?;
        // Resolve as far as folders exist; the rest will be created.
        let there = path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("/"));
        let below = path.strip_prefix(there).unwrap_or(&path).to_owned();
        let folder = there.canonicalize().map_err(|e| files::io_refusal(e, "find", there))?;
        let place = folder.join(below);
        if place.components().any(|part| part == Component::ParentDir) {
            return Err(self.refuse(&place, "a parent folder does not exist").into());
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
        // Case-folding file systems treat `.GIT` as `.git`.
        let parts: Vec<String> = relative.split('/').map(str::to_lowercase).collect();
        if parts.iter().any(|part| part == ".git") {
            return Err(self.refuse(path, "it belongs to git").into());
        }
        let lower = parts.join("/");
        let manifest = lower.starts_with("agent_manifest") && lower.ends_with(".json");
        let is_of_git = parts.last().is_some_and(|name| OF_GIT.contains(&name.as_str()));
        if manifest || is_of_git || GUARDED.contains(&lower.as_str()) {
            return Err(self.refuse(path, "that file controls what may run here or who may act").into());
        }
        let at_home = self.homes.iter().any(|home| relative.starts_with(home) && relative.len() > home.len());
        if paths::is_record(&lower) && !at_home {
            return Err(self.refuse(path, "it is part of the record, which only record commands write").into());
        }
        let found = self.inspect(path)?;
        let is_tracked = || Tracked::open(&worktree.git_dir).is_ok_and(|tracked| tracked.has(relative));
        if found != Found::Own && is_tracked() {
            return Err(self.refuse(path, "git tracks it").into());
        }
        self.check_replace(path, found)
    }

    fn check_replace(&self, path: &Path, found: Found) -> Result<()> {
        if found != Found::Foreign || self.force == Some(true) {
            return Ok(());
        }
        let refusal = self.refuse(path, "the file exists and was not written by this command");
        Err(match self.force {
            Some(_) => refusal.next("to replace it, add --force").into(),
            None => refusal.into(),
        })
    }

    fn inspect(&self, path: &Path) -> Result<Found> {
        let Ok(found) = fs::symlink_metadata(path) else { return Ok(Found::Nothing) };
        if found.is_symlink() {
            return Err(self.refuse(path, "it is a symbolic link").into());
        }
        if !found.is_file() {
            return Err(self.refuse(path, "it is not a file").into());
        }
        // Somebody created a second name for the file on purpose.
        let bytes = files::read(path, files::MAX_DOCUMENT)?.unwrap_or_default();
        Ok(if found.nlink() == 1 && (self.is_own)(&bytes) { Found::Own } else { Found::Foreign })
    }

    fn refuse(&self, path: &Path, why: &str) -> Refusal {
        let shown = text::safe(&path.display().to_string());
        let refusal = Refusal::guard("output.refused", format!("{} may not write {shown}", self.flag)).because(why);
        match self.homes.first() {
            Some(home) => refusal.next(format!("choose a new file, or a path that begins with {home}")),
            None => refusal.next("choose a new file"),
        }
    }
}

/// What exists at the path.
#[derive(PartialEq, Eq)]
enum Found {
    Nothing,
    /// The same command wrote it.
    Own,
    Foreign,
}

/// Checks a folder that a command is about to create or fill.
///
/// # Errors
/// When it is in the record or in a git directory, or is a link.
pub fn check_folder(flag: &str, folder: &Path) -> Result<()> {
    let output = Output { flag, homes: &[], force: None, is_own: |_| false };
    let path = std::path::absolute(folder).map_err(|e| files::io_refusal(e, "find", folder))?;
    let is_link = |path: &Path| fs::symlink_metadata(path).is_ok_and(|found| found.is_symlink());
    if is_link(&path) {
        return Err(output.refuse(folder, "it is a symbolic link").into());
    }
    // In a worktree any commit can add a link; above it are the links of the machine.
    if let Some(root) = path.ancestors().position(|folder| Worktree::at(folder).is_some())
        && let Some(link) = path.ancestors().take(root).find(|folder| is_link(folder))
    {
        return Err(output
            .refuse(folder, &format!("{} is a symbolic link", text::safe(&link.to_string_lossy())))
            .into());
    }
    // The folder does not exist: only its location matters.
    output.check_anywhere(&folder.join(".teof-none"))
}
