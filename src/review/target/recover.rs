//! A move of a target that somebody has checked out, cut short: git writes files and index first and the
//! ref last, and it was killed in between, or failed.
//!
//! What it wrote is exactly the merge's, on paths that were clean before: it is known by its content, and
//! taken back. Whatever is otherwise is somebody's, and stays.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::{Oid, Repository, Tree};
use serde::{Deserialize, Serialize};

use super::merge;
use super::update_target::Move;
use crate::base::{Result, files, json};
use crate::hub::git::Git;
use crate::hub::git::{locks, object_ids};
use crate::hub::{Hub, Worktree};

/// Relative to the machine-local folder.
const FILE: &str = "review/moving.json";

#[derive(Serialize, Deserialize)]
struct Moving {
    root: PathBuf,
    git_dir: PathBuf,
    branch: String,
    from: String,
    to: String,
}

/// Notes a move before git is asked for it.
pub fn begin(hub: &Hub, worktree: &Worktree, step: Move) -> Result<()> {
    let (root, git_dir) = (worktree.root.clone(), worktree.git_dir.clone());
    let (from, to) = (step.from.to_string(), step.to.to_string());
    let moving = Moving { root, git_dir, branch: step.branch.to_owned(), from, to };
    let path = hub.local(FILE);
    files::create_parent(&path)?;
    files::replace(&path, json::compact(&moving).as_bytes())
}

/// The move is made, or taken back.
pub fn end(hub: &Hub) {
    if let Err(e) = files::remove(&hub.local(FILE)) {
        tracing::warn!("the note about a move is not removed: {e:#}");
    }
}

/// Takes back what a move that was killed left, if the target has not moved. While git's own lock on the
/// index is there it is left for later: whoever moves anything there is refused because of that.
///
/// # Errors
/// When it cannot be taken back: it will be tried again.
pub fn settle(hub: &Hub) -> Result<()> {
    locks::clear_left(hub);
    let Some(bytes) = files::read(&hub.local(FILE), files::MAX_DOCUMENT)? else { return Ok(()) };
    let Ok(moving) = serde_json::from_slice::<Moving>(&bytes) else {
        end(hub);
        return Ok(());
    };
    if moving.git_dir.join("index.lock").exists() {
        return Ok(());
    }
    let repo = merge::open(hub)?;
    let (from, to) = (object_ids::parse(&moving.from)?, object_ids::parse(&moving.to)?);
    let worktree = Worktree { root: moving.root, git_dir: moving.git_dir, common_dir: hub.common_dir.clone() };
    let there = worktree.root.is_dir() && worktree.branch().as_deref() == Some(&moving.branch);
    if there && merge::tip(&repo, &moving.branch)? == from {
        take_back(&repo, &worktree, from, to)?;
    }
    end(hub);
    Ok(())
}

/// Brings files and index back to `from` where they are as `to` has them.
///
/// # Errors
/// When files cannot be read or written.
pub fn take_back(repo: &Repository, worktree: &Worktree, from: Oid, to: Oid) -> Result<()> {
    let git = Git::named(&worktree.root, &worktree.git_dir);
    // The index was written: git goes back by itself, and keeps what is otherwise.
    if let Err(e) = git.run(&["read-tree", "-m", "-u", &to.to_string(), &from.to_string()]) {
        tracing::debug!("git does not go back: {e:#}");
    }
    // It was not: files are as the merge has them, and the index does not know.
    let (before, after) = (repo.find_commit(from)?.tree()?, repo.find_commit(to)?.tree()?);
    let index = Repository::open(&worktree.git_dir).context("open the worktree")?.index()?;
    let mut written = Vec::new();
    for path in merge::changed(repo, from, to)? {
        let path = Path::new(&path);
        let on_disk = worktree.root.join(path);
        let staged = index.get_path(path, 0).map(|entry| entry.id);
        if staged != id_in(&before, path) || !is_written(repo, &on_disk, id_in(&after, path)) {
            continue;
        }
        match (staged, id_in(&after, path)) {
            (Some(_), _) => written.push(path.to_owned()),
            (None, Some(_)) => remove(&worktree.root, &on_disk, &before)?,
            (None, None) => {}
        }
    }
    let input: Vec<u8> = written.iter().flat_map(|path| [path.as_os_str().as_bytes(), b"\0"].concat()).collect();
    git.feed(&["checkout-index", "-f", "-u", "-z", "--stdin"], &input).map(drop)
}

fn id_in(tree: &Tree, path: &Path) -> Option<Oid> {
    tree.get_path(path).ok().map(|entry| entry.id())
}

/// Whether a file is as the merge has it (`None`: is not there), or as much of that as there was room for.
fn is_written(repo: &Repository, path: &Path, wanted: Option<Oid>) -> bool {
    let found = fs::symlink_metadata(path).ok().and_then(|meta| match meta {
        meta if meta.is_symlink() => fs::read_link(path).ok().map(|to| to.as_os_str().as_bytes().to_vec()),
        meta if meta.is_file() => fs::read(path).ok(),
        _ => None,
    });
    let wanted = wanted.and_then(|id| repo.find_blob(id).ok());
    match (found, wanted) {
        (None, None) => true,
        (Some(found), Some(wanted)) => wanted.content().starts_with(&found),
        _ => false,
    }
}

/// Removes a file that the merge brought, and the folders that it brought for it.
fn remove(root: &Path, file: &Path, before: &Tree) -> Result<()> {
    files::remove(file)?;
    let mut folder = file.parent();
    while let Some(at) = folder.filter(|at| *at != root) {
        let known = at.strip_prefix(root).is_ok_and(|inside| before.get_path(inside).is_ok());
        if known || fs::remove_dir(at).is_err() {
            break;
        }
        folder = at.parent();
    }
    Ok(())
}
