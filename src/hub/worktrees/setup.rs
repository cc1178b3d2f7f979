//! Sets up a worktree: copies in files that git does not track, and reverts what set-up commands changed.
//!
//! Runs no command. Records the names of copied files first, so that no commit ever holds them.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path};

use anyhow::Context;
use git2::Repository;

use super::metadata::WorktreeMetadata;
use super::place::Place;
use crate::base::{Refusal, Result, files};
use crate::hub::git::filtered;
use crate::hub::{Hub, paths};

/// How many files may be copied, and how many bytes one of them may have.
const MAX_FILES: usize = 100;
const MAX_BYTES: u64 = files::MAX_DOCUMENT;

/// A file that was not copied, and why.
pub type LeftOut = (String, &'static str);

/// Copies files of the hub into the worktree, under the same names and with their modes. What is there
/// under such a name is replaced, unless git tracks it.
///
/// # Errors
/// When one is no regular file, too large, reached through a link, or nobody's to copy.
pub fn copy_in(hub: &Hub, place: &Place, wanted: &[String]) -> Result<Vec<LeftOut>> {
    if wanted.is_empty() {
        return Ok(Vec::new());
    }
    if wanted.len() > MAX_FILES {
        return Err(not_copied(
            "too many files",
            &format!("{} are named; at most {MAX_FILES} are copied", wanted.len()),
        ));
    }
    let repo = Repository::open(&place.git_dir).context("open the worktree's repository")?;
    let tree = repo.find_commit(place.tip())?.tree()?;
    let (mut copies, mut left_out) = (Vec::new(), Vec::new());
    for path in wanted {
        let source = files::within(&hub.root, path)?;
        check_copyable(path)?;
        if tree.get_path(Path::new(path)).is_ok() {
            left_out.push((path.clone(), "git tracks it, so it is there as the branch has it"));
            continue;
        }
        let Some(file) = files::open_regular(&source)? else {
            left_out.push((path.clone(), "the hub has no such file"));
            continue;
        };
        let size = file.metadata()?.len();
        if size > MAX_BYTES {
            return Err(not_copied(path, &format!("it has {size} bytes; at most {MAX_BYTES} are copied")));
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

/// Neither git's own files nor the record, of which the hub's copy is the only one.
fn check_copyable(path: &str) -> Result<()> {
    let parts = || Path::new(path).components();
    let is_git = parts().any(|part| matches!(part, Component::Normal(name) if name.eq_ignore_ascii_case(".git")));
    if is_git || paths::is_owned(path) {
        return Err(not_copied(path, "files of git's and of the record are not copied"));
    }
    Ok(())
}

fn not_copied(what: &str, why: &str) -> anyhow::Error {
    Refusal::guard("worktree.copy", format!("not copied into the worktree: {what}"))
        .because(why)
        .next("name ordinary files in [worktrees] copy, relative to the hub")
        .into()
}

fn copy_file(from: &fs::File, to: &Path) -> Result<()> {
    let mode = from.metadata()?.permissions().mode() & 0o777;
    if let Some(folder) = to.parent() {
        fs::create_dir_all(folder).map_err(|e| files::io_refusal(e, "create", folder))?;
    }
    let old = fs::symlink_metadata(to).ok();
    if old.as_ref().is_some_and(fs::Metadata::is_dir) {
        return Err(not_copied(&to.display().to_string(), "a folder is in its place"));
    }
    let written = || -> std::io::Result<()> {
        if old.is_some() {
            fs::remove_file(to)?;
        }
        // No name in between: a copy that a crash cut short is one that is noted, and is made anew.
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode & 0o700).open(to)?;
        let mut bytes = Vec::new();
        from.take(MAX_BYTES).read_to_end(&mut bytes)?;
        file.write_all(&bytes)?;
        file.set_permissions(Permissions::from_mode(mode))
    };
    written().map_err(|e| files::io_refusal(e, "copy", to))
}

/// Remembers how the set-up left files under a content filter, such as those of git-lfs: nobody's work.
///
/// # Errors
/// When the worktree's metadata cannot be written.
pub fn remember_filtered(place: &Place) -> Result<()> {
    filtered::remember(&place.git_dir, &place.root, place.tip())
}

/// Brings what git knows of the worktree, and what it does not ignore, back to the job's last
/// checkpoint, and gives back the paths that were otherwise. What git ignores stays.
///
/// # Errors
/// `worktree.nested` when there is a repository inside, which is never part of a result.
pub fn revert(hub: &Hub, place: &Place, copied: &[String]) -> Result<Vec<String>> {
    let repository = place.repository()?;
    let (changed, nested) = repository.changes(place.tip())?;
    if let Some(path) = nested.first() {
        return Err(Refusal::guard("worktree.nested", format!("the set-up left a git repository in {path}"))
            .because("git does not ignore it, and a commit cannot hold it")
            .next("have the set-up put it where git ignores it (.gitignore)")
            .into());
    }
    if !changed.is_empty() {
        repository.reset(&place.branch, place.tip())?;
        copy_in(hub, place, copied)?;
    }
    Ok(changed)
}

/// Whether the set-up of this digest was run here.
pub fn is_set_up(place: &Place, digest: &str) -> bool {
    WorktreeMetadata::read(&place.git_dir).setup.as_deref() == Some(digest)
}

/// Notes that the set-up of this digest was run here.
pub fn mark_set_up(place: &Place, digest: &str) -> Result<()> {
    let metadata = WorktreeMetadata { setup: Some(digest.to_owned()), ..WorktreeMetadata::read(&place.git_dir) };
    metadata.write(&place.git_dir)
}
