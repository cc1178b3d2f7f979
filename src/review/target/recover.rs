//! Recovers an interrupted move of a checked-out target: git writes files and index first and the ref last, and may
//! be killed in between.
//!
//! Git wrote exactly the merge's content, on paths that were clean before. Recovery undoes exactly that and keeps
//! everything else.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::{Oid, Repository, Tree};
use serde::{Deserialize, Serialize};

use super::merge;
use super::ref_move::RefMove;
use crate::base::{Result, files, json};
use crate::hub::git::Git;
use crate::hub::git::object_ids;
use crate::hub::repository::locks;
use crate::hub::{Hub, Worktree};

/// Relative to the machine-local folder.
const FILE: &str = "review/moving.json";

#[derive(Serialize, Deserialize)]
struct InterruptedMove {
    root: PathBuf,
    git_dir: PathBuf,
    branch: String,
    from: String,
    to: String,
}

/// Records a move before git starts it.
pub fn record_start(hub: &Hub, worktree: &Worktree, step: RefMove) -> Result<()> {
    let (root, git_dir) = (worktree.root.clone(), worktree.git_dir.clone());
    let (from, to) = (step.from.to_string(), step.to.to_string());
    let moving = InterruptedMove { root, git_dir, branch: step.branch.to_owned(), from, to };
    let path = hub.local(FILE);
    files::create_parent(&path)?;
    files::replace(&path, json::compact(&moving).as_bytes())
}

/// Removes the note, after the move is complete or undone.
pub fn clear(hub: &Hub) {
    if let Err(e) = files::remove(&hub.local(FILE)) {
        tracing::warn!("cannot remove the note about a move: {e:#}");
    }
}

/// Undoes the traces of an interrupted move, if the target has not moved. While git's index lock exists, this is left
/// to a later call; until then every other move there is refused.
///
/// # Errors
/// When it cannot be undone; the next call retries.
pub fn recover(hub: &Hub) -> Result<()> {
    locks::clear_left(hub);
    let Some(bytes) = files::read(&hub.local(FILE), files::MAX_DOCUMENT)? else { return Ok(()) };
    let Ok(moving) = serde_json::from_slice::<InterruptedMove>(&bytes) else {
        clear(hub);
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
        undo(&repo, &worktree, from, to)?;
    }
    clear(hub);
    Ok(())
}

/// Resets files and index to `from` where they match `to`.
///
/// # Errors
/// When files cannot be read or written.
pub fn undo(repo: &Repository, worktree: &Worktree, from: Oid, to: Oid) -> Result<()> {
    let git = Git::named(&worktree.root, &worktree.git_dir);
    // The index was written: git can reset by itself and keeps other changes.
    if let Err(e) = git.run(&["read-tree", "-m", "-u", &to.to_string(), &from.to_string()]) {
        tracing::debug!("git cannot reset: {e:#}");
    }
    // The index was not written: files match the merge, but the index does not.
    let (before, after) = (repo.find_commit(from)?.tree()?, repo.find_commit(to)?.tree()?);
    let index = Repository::open(&worktree.git_dir).context("open the worktree")?.index()?;
    let mut written = Vec::new();
    for path in merge::changed_paths(repo, from, to)? {
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

/// Whether a file matches the merge (`None`: does not exist), or is the start of it, cut by a full disk.
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

/// Removes a file that the merge added, and the folders that it added for it.
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
