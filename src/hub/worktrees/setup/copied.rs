//! Sets up a worktree: copies untracked files into it, and reverts changes of set-up commands.
//!
//! Runs no command. Records the names of copied files first, so that no commit ever holds them.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

use anyhow::Context;
use git2::Repository;

use super::include;
use crate::base::{Refusal, Result, files};
use crate::hub::worktrees::checkpoint::filtered;
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::place::{Place, main_worktree};
use crate::hub::{Hub, paths};

/// How many files may be copied, and how many bytes one of them may have.
const MAX_FILES: usize = 100;
const MAX_BYTES: u64 = files::MAX_DOCUMENT;

/// A file that was not copied, and why.
pub type LeftOut = (String, &'static str);

/// Copies files of the hub, or else of the main worktree, into the worktree, with the same names and modes. An existing
/// file is replaced unless git tracks it.
///
/// # Errors
/// When one is not a regular file, too large, reached through a link, or must not be copied.
pub fn copy_in(hub: &Hub, place: &Place, wanted: &[String]) -> Result<Vec<LeftOut>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if wanted.len() > MAX_FILES {
        return Err(not_copied("too many files", &format!("{} files listed, limit {MAX_FILES}", wanted.len())));
    }
    let repo = Repository::open(&place.git_dir).context("open the worktree's repository")?;
    let tree = repo.find_commit(place.tip())?.tree()?;
    let sources: Vec<_> =
        [Some(hub.root.clone()), main_worktree(hub).map(|main| main.root)].into_iter().flatten().collect();
    let (mut copies, mut left_out) = (Vec::new(), Vec::new());
    for path in wanted {
        check_copyable(path)?;
        if tree.get_path(Path::new(path)).is_ok() {
            left_out.push((path.clone(), "git tracks it, so the branch's version is used"));
            continue;
        }
        let found = sources.iter().map(|root| files::open_regular(&files::within(root, path)?));
        let Some(file) = found.filter_map(Result::transpose).next().transpose()? else {
            left_out.push((path.clone(), "neither in the hub nor in the main worktree"));
            continue;
        };
        let size = file.metadata()?.len();
        if size > MAX_BYTES {
            return Err(not_copied(path, &format!("it has {size} bytes, limit {MAX_BYTES}")));
        }
        copies.push((path, file));
    }
    let mut metadata = WorktreeMetadata::read(&place.git_dir);
    metadata.copied.extend(copies.iter().map(|(path, _)| (*path).clone()));
    metadata.write(&place.git_dir)?;
    for (path, file) in copies {
        copy_file(&file, &files::within(&place.root, path)?)?;
    }
    Ok(left_out)
}

/// Refuses git's own files and the record, whose only copy is in the hub.
fn check_copyable(path: &str) -> Result<()> {
    let parts = || Path::new(path).components();
    let is_git = parts().any(|part| matches!(part, Component::Normal(name) if name.eq_ignore_ascii_case(".git")));
    if is_git || paths::is_owned(path) {
        return Err(not_copied(path, "git's own files and the record are not copied"));
    }
    Ok(())
}

fn not_copied(what: &str, why: &str) -> anyhow::Error {
    Refusal::guard("worktree.copy", format!("not copied into the worktree: {what}"))
        .because(why)
        .next("list regular files in [worktrees] copy, relative to the repository")
        .into()
}

fn copy_file(from: &fs::File, to: &Path) -> Result<()> {
    let mode = from.metadata()?.permissions().mode() & 0o777;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|e| files::io_refusal(e, "create", folder))?;
    }
    let old = fs::symlink_metadata(to).ok();
    if old.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(not_copied(&to.display().to_string(), "a folder has this name"));
    }
    let written = || -> std::io::Result<()> {
        if old.is_some() {
            fs::remove_file(to)?;
        }
        // No temporary name: an interrupted copy is already recorded and is copied again.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o700).open(to)?;
        let mut bytes = Vec::new();
        from.take(MAX_BYTES).read_to_end(&mut bytes)?;
        file.write_all(&bytes)?;
        file.set_permissions(Permissions::from_mode(mode))
    };
    written().map_err(|e| files::io_refusal(e, "copy", to))
}

/// Records the state of files under a content filter (such as git-lfs) after the set-up: they are not work.
///
/// # Errors
/// When the worktree's metadata cannot be written.
pub fn remember_filtered(place: &Place) -> Result<()> {
    filtered::remember(&place.git_dir, &place.root, place.tip())
}

/// Resets tracked and unignored files of the worktree to the job's last checkpoint and returns the changed paths.
/// Ignored files stay.
///
/// # Errors
/// `worktree.nested` when it contains a repository, which cannot be part of a result.
pub fn revert(hub: &Hub, place: &Place, copied: &[String]) -> Result<Vec<String>> {
    let repository = place.repository()?;
    let (changed, nested) = repository.changes(place.tip())?;
    if let Some(path) = nested.first() {
        return Err(Refusal::guard("worktree.nested", format!("the set-up created a git repository in {path}"))
            .because("git does not ignore it, and a commit cannot include it")
            .next("let the set-up create it in an ignored folder (.gitignore)")
            .into());
    }
    if !changed.is_empty() {
        repository.reset(&place.branch, place.tip())?;
        copy_in(hub, place, copied)?;
        include::bring(hub, &place.root, &place.git_dir, Some(place.tip()))?;
    }
    Ok(changed)
}
