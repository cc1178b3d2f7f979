//! Hides and removes temporary files that killed writers left behind.
//!
//! A file is replaced by renaming a temporary one next to it, so a killed writer can leave `.teof-<pid>-<n>.tmp`
//! anywhere in the record. The pattern is in `<common dir>/info/exclude`, which applies to every worktree. An
//! unfinished libgit2 pack stays next to the repository's packs, because git's housekeeping does not recognise its
//! name.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

use crate::base::{Result, files};
use crate::hub::{Hub, paths};

const PATTERN: &str = ".teof-*.tmp";
/// The longest life of a running process's temporary file.
const MAX_AGE: Duration = Duration::from_secs(60);
/// libgit2's prefix for a pack and its index while writing. Other programs use libgit2, too, and may take long.
const PACK: &str = "pack_git2_";
const MAX_PACK_AGE: Duration = Duration::from_secs(600);

/// Whether git hides them.
pub fn are_hidden(common_dir: &Path) -> bool {
    let rules = fs::read_to_string(common_dir.join("info/exclude")).unwrap_or_default();
    rules.lines().any(|line| line.trim_end() == PATTERN)
}

/// Makes git hide them; `false` when it already does. Existing rules are kept.
///
/// # Errors
/// When the file cannot be read or written, or is not a regular file.
pub fn hide(common_dir: &Path) -> Result<bool> {
    if are_hidden(common_dir) {
        return Ok(false);
    }
    let path = common_dir.join("info/exclude");
    let mut rules = files::read(&path, files::MAX_DOCUMENT)?.unwrap_or_default();
    if rules.last().is_some_and(|last| *last != b'\n') {
        rules.push(b'\n');
    }
    rules.extend(format!("# Temporary files of teof\n{PATTERN}\n").bytes());
    files::create_parent(&path)?;
    files::replace(&path, &rules)?;
    Ok(true)
}

/// Those in the record and among the machine-local files; some may belong to a running writer.
pub fn find(hub: &Hub) -> Vec<PathBuf> {
    let mut folders: Vec<PathBuf> = paths::OWNED.iter().map(|folder| hub.root.join(folder)).collect();
    folders.push(hub.local(""));
    let mut found = Vec::new();
    // Owned files and settings are in the person's folders, whose subfolders are not searched.
    for file in paths::OWNED_FILES.into_iter().chain([paths::SETTINGS]) {
        scan(hub.root.join(file).parent().unwrap_or(&hub.root), &mut Vec::new(), &mut found);
    }
    while let Some(folder) = folders.pop() {
        scan(&folder, &mut folders, &mut found);
    }
    let packs = fs::read_dir(hub.common_dir.join("objects/pack")).into_iter().flatten().flatten();
    found.extend(packs.map(|entry| entry.path()).filter(|path| is_pack(path)));
    found.sort();
    found.dedup();
    found
}

fn is_pack(path: &Path) -> bool {
    path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with(PACK))
}

/// The temporary files of one folder, and the folders in it.
fn scan(folder: &Path, folders: &mut Vec<PathBuf>, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        match entry.file_type() {
            Ok(kind) if kind.is_dir() => folders.push(entry.path()),
            Ok(_) if entry.file_name().to_str().is_some_and(files::is_temporary) => found.push(entry.path()),
            _ => {}
        }
    }
}

/// Removes those without a running writer. Call it under the bus lock, or while it is free.
///
/// # Errors
/// When one cannot be removed.
pub fn sweep(hub: &Hub) -> Result<Vec<PathBuf>> {
    let left: Vec<PathBuf> = find(hub).into_iter().filter(|path| is_leftover(path)).collect();
    left.iter().try_for_each(|path| files::remove(path))?;
    Ok(left)
}

/// Some files (state, trust) are replaced under other locks than the bus lock, in a moment.
fn is_leftover(path: &Path) -> bool {
    let made = fs::symlink_metadata(path).and_then(|found| found.modified());
    let max_age = if is_pack(path) { MAX_PACK_AGE } else { MAX_AGE };
    let is_old = made.is_ok_and(|made| made.elapsed().is_ok_and(|age| age > max_age));
    is_old || writer_of(path).is_some_and(|pid| test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}

/// The process that made it, by its name.
fn writer_of(path: &Path) -> Option<Pid> {
    let name = path.file_name()?.to_str()?;
    Pid::from_raw(name.strip_prefix(".teof-")?.split('-').next()?.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::base::Clock;
    use crate::hub::Worktree;

    #[test]
    fn a_pack_that_was_cut_short_is_removed_once_it_is_old() {
        let dir = tempfile::tempdir().unwrap();
        let worktree = git2::Repository::init(dir.path()).map(|_| Worktree::at(dir.path()).unwrap()).unwrap();
        let hub = Hub::of_worktree(worktree, Clock::Machine);
        let folder = hub.common_dir.join("objects/pack");
        let old = SystemTime::now() - 2 * MAX_PACK_AGE;
        for (name, at) in [("pack_git2_1idx.lock", old), ("pack_git2_2", SystemTime::now()), ("pack-3.pack", old)] {
            let file = fs::File::create(folder.join(name)).unwrap();
            file.set_modified(at).unwrap();
        }
        assert_eq!(sweep(&hub).unwrap(), [folder.join("pack_git2_1idx.lock")]);
        assert!(folder.join("pack_git2_2").exists() && folder.join("pack-3.pack").exists());
    }
}
