//! Updates the person's index during a record commit: reads it, updates a copy, and replaces it.
//!
//! Git's own `index.lock` is held while the branch moves, so that no other git process commits or switches in between.
//! After a kill at any point, the next record commit replaces the files that were left.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::tree;
use super::tree_files::{Entry, Files};
use crate::base::{Result, files};
use crate::hub::Hub;
use crate::hub::git::Git;
use crate::hub::git::{errors, object_ids};

/// With this many changed files, the whole record is refreshed in the index.
const MANY: usize = 100;

/// Content of teof's `index.lock`, so that one left by a crash is recognised.
const LOCK_NOTE: &[u8] = b"teof record commit\n";

/// The owned paths as the index has them.
#[derive(Default)]
pub struct Known {
    pub files: Files,
    /// Files that a sparse checkout excludes from the worktree.
    pub left_out: Vec<Vec<u8>>,
    /// Whether some of them have unresolved conflicts.
    pub is_unmerged: bool,
}

impl Known {
    /// # Errors
    /// When git cannot read the index.
    pub fn read(git: &Git) -> Result<Known> {
        Known::of(git, &tree::owned().collect::<Vec<_>>())
    }

    /// The index entries of some paths.
    ///
    /// # Errors
    /// As [`Known::read`].
    pub fn of(git: &Git, paths: &[&str]) -> Result<Known> {
        let args = [&["--literal-pathspecs", "ls-files", "-z", "-s", "-t", "--"], paths].concat();
        let listed = git.bytes(&args)?;
        let mut known = Known::default();
        for line in listed.split(|byte| *byte == 0) {
            // `H 100644 <id> 0\t<path>`
            let Some(tab) = line.iter().position(|byte| *byte == b'\t') else { continue };
            let (path, words) = (line[tab + 1..].to_vec(), String::from_utf8_lossy(&line[..tab]).into_owned());
            let mut words = words.split(' ');
            let (tag, mode, id, stage) = (words.next(), words.next(), words.next(), words.next());
            known.is_unmerged |= stage != Some("0");
            if tag == Some("S") {
                known.left_out.push(path.clone());
            }
            let mode = i32::from_str_radix(mode.unwrap_or_default(), 8).context("read the index")?;
            known.files.insert(path, Entry { mode, id: object_ids::parse(id.unwrap_or_default())? });
        }
        Ok(known)
    }

    /// The input for `git update-index --index-info` to get `new`: removals first. Empty without differences.
    fn difference(&self, new: &Files) -> Vec<u8> {
        let mut text = Vec::new();
        for (path, entry) in self.files.iter().filter(|(path, _)| !new.contains_key(*path)) {
            let none = "0".repeat(entry.id.to_string().len());
            text.extend([format!("0 {none}\t").as_bytes(), path, b"\0"].concat());
        }
        for (path, entry) in new.iter().filter(|(path, entry)| self.files.get(*path) != Some(entry)) {
            text.extend([format!("{:06o} {}\t", entry.mode, entry.id).as_bytes(), path, b"\0"].concat());
        }
        text
    }
}

/// A copy of the person's index, next to it.
pub struct IndexCopy {
    index: PathBuf,
    path: PathBuf,
    /// The index when it was copied.
    was: Option<Identity>,
}

type Identity = (u64, u64, i64, i64);

impl IndexCopy {
    pub fn make(git_dir: &Path) -> Result<IndexCopy> {
        let (index, path) = (git_dir.join("index"), git_dir.join("teof-record.index"));
        // Left by a crash: under the bus lock, nobody else uses them.
        for stale in [&path, &path.with_extension("index.lock")] {
            files::remove(stale)?;
        }
        let was = identity(&index)?;
        if was.is_some() {
            fs::copy(&index, &path).map_err(|e| {
                let _ = fs::remove_file(&path);
                files::io_refusal(e, "copy the index to", &path)
            })?;
            // Git uses the index file's own time to decide which entries may have changed.
            let modified = fs::metadata(&index)?.modified()?;
            File::options().write(true).open(&path)?.set_modified(modified)?;
        }
        Ok(IndexCopy { index, path, was })
    }

    /// Git with the copy as its index.
    pub fn git(&self, hub: &Hub) -> Git {
        hub.git().with_index(&self.path)
    }

    /// Updates the copy with the files of the record. Other staged changes stay staged. `false`: it had them already.
    pub fn update(&self, hub: &Hub, known: &Known, new: &Files) -> Result<bool> {
        let difference = known.difference(new);
        if difference.is_empty() {
            return Ok(false);
        }
        let git = self.git(hub);
        git.feed(&["update-index", "-z", "--replace", "--index-info"], &difference)?;
        // Entries set by id have no times yet; without them every git status would read these files.
        let changed: Vec<&[u8]> =
            new.keys().filter(|path| known.files.get(*path) != new.get(*path)).map(Vec::as_slice).collect();
        // Git compares every file of the index with every given path.
        let refreshed = if changed.len() > MANY { tops(new) } else { changed };
        if !refreshed.is_empty() {
            let refresh = ["--literal-pathspecs", "add", "--refresh", "--pathspec-from-file=-", "--pathspec-file-nul"];
            let _ = git.feed(&refresh, &refreshed.join(&0));
        }
        Ok(true)
    }

    pub fn is_current(&self) -> Result<bool> {
        Ok(identity(&self.index)? == self.was)
    }

    pub fn install(&self) -> Result<()> {
        match fs::rename(&self.path, &self.index) {
            // Nothing of the record was ever staged, and no index exists.
            Err(e) if e.kind() == ErrorKind::NotFound && self.was.is_none() => Ok(()),
            renamed => renamed.with_context(|| format!("replace {}", self.index.display())),
        }
    }
}

impl Drop for IndexCopy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

/// The owned folders and files in which there are files.
fn tops(files: &Files) -> Vec<&'static [u8]> {
    let holds = |top: &&[u8]| files.range(top.to_vec()..).next().is_some_and(|(path, _)| path.starts_with(top));
    tree::owned().map(str::as_bytes).filter(holds).collect()
}

fn identity(path: &Path) -> Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(meta) if meta.is_file() => Ok(Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))),
        Ok(_) => Err(errors::damaged(format!("{} is no file", path.display())).into()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("look at {}", path.display())),
    }
}

/// Git's own lock on the index, held by teof.
pub struct IndexLock(PathBuf);

impl IndexLock {
    /// `None` when a git process holds it.
    pub fn take(hub: &Hub) -> Result<Option<IndexLock>> {
        let path = lock_path(hub);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let lock = IndexLock(path);
                file.write_all(LOCK_NOTE)?;
                Ok(Some(lock))
            }
            // Left by a teof crash: under the bus lock, no other record commit runs.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(is_ours(&path).then_some(IndexLock(path))),
            Err(e) => Err(files::io_refusal(e, "lock the index", &path)),
        }
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

pub fn lock_path(hub: &Hub) -> PathBuf {
    hub.git_dir.join("index.lock")
}

pub fn is_ours(lock: &Path) -> bool {
    matches!(files::read(lock, LOCK_NOTE.len() as u64), Ok(Some(bytes)) if bytes == LOCK_NOTE)
}
