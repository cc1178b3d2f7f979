//! Keeps what a set-up made, so that the next worktree with the same lock files restores it instead of running again.
//!
//! Only a new worktree, in which no agent has worked, is kept from: an agent cannot put anything into others'
//! worktrees. The key covers the set-up's command lines, the cached paths, the key files' contents, and the machine's
//! kind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;
use git2::Repository;
use serde_json::json;

use super::tree_copy::{self, Budget, Links};
use crate::base::lock::FileLock;
use crate::base::{Result, digest, files};
use crate::hub::Hub;
use crate::hub::settings::Worktrees;
use crate::hub::worktrees::clean::delete_folder;
use crate::hub::worktrees::metadata::setup_state;
use crate::hub::worktrees::place::{Place, WAIT};

/// Machine-local: `setup-cache/<key>/files/<path>`.
const FOLDER: &str = "setup-cache";
const LOCK: &str = "locks/setup-cache.lock";
/// Its time is when the entry was used last. A folder without it is not an entry.
const USED: &str = "used";
/// Where an entry is built.
const UNFINISHED: &str = "unfinished";
/// How many entries are kept, most recently used first.
pub const KEPT: usize = 4;

/// What is restored or kept under one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub key: String,
    /// The cached paths that it has.
    pub paths: Vec<String>,
    /// Paths that were not kept or restored, and why.
    pub left_out: Vec<(String, &'static str)>,
}

/// The key for this worktree as it is now; `None` when nothing is cached.
///
/// # Errors
/// When a key file cannot be read.
pub fn key(settings: &Worktrees, root: &Path) -> Result<Option<String>> {
    if settings.cache.is_empty() || settings.setup.is_empty() {
        return Ok(None);
    }
    let of = |name: &String| -> Result<(String, Option<String>)> {
        let bytes = files::read(&files::within(root, name)?, files::MAX_DOCUMENT)?;
        Ok((name.clone(), bytes.map(|bytes| digest::sha256(&bytes))))
    };
    let contents: Vec<_> = settings.key_files().iter().map(of).collect::<Result<_>>()?;
    let machine = (std::env::consts::OS, std::env::consts::ARCH);
    let all = json!([machine, settings.setup, settings.cache, contents]);
    Ok(Some(digest::sha256(all.to_string().as_bytes())[..16].to_owned()))
}

/// Restores what is kept under the key; `None` when nothing is, or when git does not ignore all of it here.
///
/// # Errors
/// When it cannot be copied; the set-up can run instead.
pub fn restore(hub: &Hub, place: &Place, key: &str) -> Result<Option<Entry>> {
    let entry = hub.local(FOLDER).join(key);
    if !entry.join(USED).exists() {
        return Ok(None);
    }
    let _lock = lock(hub, "restore a set-up")?;
    if !entry.join(USED).exists() {
        return Ok(None);
    }
    let mut restored = Entry { key: key.to_owned(), paths: Vec::new(), left_out: Vec::new() };
    let mut budget = Budget::default();
    let paths = cacheable(hub, place, &mut restored.left_out)?;
    if !restored.left_out.is_empty() {
        return Ok(None);
    }
    let kept = entry.join("files");
    for path in paths {
        // Whatever an interrupted set-up or restore left.
        remove(&files::within(&place.root, &path)?)?;
        tree_copy::copy(&kept, &place.root, &path, Links::All, &mut budget)?;
        restored.paths.push(path);
    }
    files::replace(&entry.join(USED), b"")?;
    Ok((!restored.paths.is_empty()).then_some(restored))
}

/// Keeps what the set-up made in a new worktree; `None` where an agent may have worked.
///
/// # Errors
/// When it cannot be copied.
pub fn store(hub: &Hub, place: &Place, key: &str) -> Result<Option<Entry>> {
    if !setup_state::is_unused(hub, &place.git_dir) || !place.checkpoints.is_empty() {
        return Ok(None);
    }
    let _lock = lock(hub, "keep a set-up")?;
    let folder = hub.local(FOLDER);
    let half = folder.join(UNFINISHED);
    delete_folder(&half)?;
    let kept = half.join("files");
    fs::create_dir_all(&kept).map_err(|e| files::io_refusal(e, "create", &kept))?;
    let mut stored = Entry { key: key.to_owned(), paths: Vec::new(), left_out: Vec::new() };
    let mut budget = Budget::default();
    for path in cacheable(hub, place, &mut stored.left_out)? {
        let made = files::within(&place.root, &path)?;
        if fs::symlink_metadata(&made).is_err() {
            stored.left_out.push((path, "the set-up did not make it"));
        } else if leads_back(&made, &place.root)? {
            stored.left_out.push((path, "it has links with this worktree's absolute path"));
        } else {
            let copied = tree_copy::copy(&place.root, &kept, &path, Links::All, &mut budget)?;
            stored.left_out.extend(copied.left_out);
            stored.paths.push(path);
        }
    }
    // Half of what the set-up makes is not the set-up's result.
    if !stored.left_out.is_empty() {
        delete_folder(&half)?;
        stored.paths.clear();
        return Ok(Some(stored));
    }
    files::replace(&half.join(USED), b"")?;
    let entry = folder.join(key);
    delete_entry(&entry)?;
    fs::rename(&half, &entry).map_err(|e| files::io_refusal(e, "rename", &half))?;
    forget_oldest(&folder)?;
    Ok(Some(stored))
}

fn lock(hub: &Hub, what: &str) -> Result<FileLock> {
    FileLock::acquire(&hub.local(LOCK), WAIT, "lock.wait", what)
}

/// The cached paths that git ignores here. Others would look like an agent's work.
fn cacheable(hub: &Hub, place: &Place, left_out: &mut Vec<(String, &'static str)>) -> Result<Vec<String>> {
    let repo = Repository::open(&place.git_dir).context("open the worktree's repository")?;
    repo.set_workdir(&place.root, false)?;
    let mut paths = Vec::new();
    for path in &hub.settings()?.worktrees.cache {
        let path = path.trim_end_matches('/').to_owned();
        // A rule that ends with a slash matches a folder, which may not be there yet.
        let is_ignored = repo.is_path_ignored(&path)? || repo.is_path_ignored(format!("{path}/x"))?;
        match is_ignored {
            true => paths.push(path),
            false => left_out.push((path, "git does not ignore it")),
        }
    }
    Ok(paths)
}

/// Whether a link below leads to the worktree by its absolute path, which another worktree must not use.
fn leads_back(path: &Path, root: &Path) -> Result<bool> {
    let found = fs::symlink_metadata(path).map_err(|e| files::io_refusal(e, "read", path))?;
    if found.is_symlink() {
        return Ok(fs::read_link(path).is_ok_and(|goal| goal.starts_with(root)));
    }
    if found.is_dir() {
        for entry in fs::read_dir(path).map_err(|e| files::io_refusal(e, "read", path))? {
            if leads_back(&entry.map_err(|e| files::io_refusal(e, "read", path))?.path(), root)? {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn remove(path: &Path) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => delete_folder(path),
        Ok(_) => files::remove(path),
        Err(_) => Ok(()),
    }
}

fn forget_oldest(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).map_err(|e| files::io_refusal(e, "read", folder))?;
    let used = |entry: &Path| fs::metadata(entry.join(USED)).and_then(|used| used.modified()).ok();
    let mut all: Vec<(Option<SystemTime>, PathBuf)> =
        entries.flatten().map(|entry| (used(&entry.path()), entry.path())).collect();
    // An entry whose deletion was interrupted has no time, and comes last.
    all.sort_by(|a, b| b.cmp(a));
    all.iter().skip(KEPT).try_for_each(|(_, path)| delete_entry(path))
}

/// First what makes it an entry: an interrupted deletion leaves nothing that could be restored.
fn delete_entry(entry: &Path) -> Result<()> {
    files::remove(&entry.join(USED))?;
    delete_folder(entry)
}
