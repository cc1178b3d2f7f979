//! Writes files whole or not at all, and makes names durable.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::path::folder_of;
use super::refusals::io_refusal;
use crate::base::{Result, disk};

/// Replaces `path` by `bytes`: temporary file in the same folder, write, sync, rename, sync the
/// folder. After a crash at any point the file is the old one or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = write_beside(path, bytes)?;
    beside.sync()?;
    rename(&beside.temporary, path)?;
    sync_folder(folder_of(path))
}

/// Renames a temporary file to its target; removes it when that fails.
pub fn rename(temporary: &Path, target: &Path) -> Result<()> {
    disk::rename(temporary, target).map_err(|e| {
        let _ = fs::remove_file(temporary);
        io_refusal(e, "write", target)
    })
}

/// A file's new bytes in a temporary file next to it, ready to be synced and renamed. Writes that need space are
/// done, except what a file system defers until the sync.
#[derive(Debug)]
pub struct Beside {
    file: File,
    pub temporary: PathBuf,
    pub target: PathBuf,
}

impl Beside {
    /// Lets the disk begin with the file while another one is synced. Only a hint: [`Self::sync`] is what counts.
    pub fn begin(&self) {
        #[cfg(target_os = "linux")]
        {
            // Linux begins to write the pages that it is told are no longer needed, and keeps a page of which that is
            // said in part.
            let first = std::num::NonZeroU64::new(1);
            let _ = rustix::fs::fadvise(&self.file, 0, first, rustix::fs::Advice::DontNeed);
        }
    }

    /// Makes the bytes durable; the temporary file is removed when that fails.
    pub fn sync(&self) -> Result<()> {
        disk::sync_data(&self.file, &self.temporary).map_err(|e| {
            let _ = fs::remove_file(&self.temporary);
            io_refusal(e, "write", &self.target)
        })
    }
}

/// The first step of [`replace`].
pub fn write_beside(path: &Path, bytes: &[u8]) -> Result<Beside> {
    let (file, temporary) = write_temporary(path, bytes)?;
    Ok(Beside { file, temporary, target: path.to_owned() })
}

/// Like [`replace`], but nothing is synced: for caches and marks that can be built again.
pub fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    rename(&write_beside_unsynced(path, bytes)?, path)
}

/// The first half of [`replace_unsynced`]: does everything that needs disk space.
pub fn write_beside_unsynced(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    write_temporary(path, bytes).map(|(_, temporary)| temporary)
}

/// A new file beside `path`, with the mode that `path` has.
fn write_temporary(path: &Path, bytes: &[u8]) -> Result<(File, PathBuf)> {
    let (file, temporary) = create_temporary(path).map_err(|e| io_refusal(e, "write", path))?;
    let written = (|| -> io::Result<()> {
        if let Some(mode) = existing_mode(path) {
            // Not at creation, because the umask would remove bits.
            file.set_permissions(fs::Permissions::from_mode(mode))?;
        }
        disk::write_all(&file, bytes, &temporary)
    })();
    match written {
        Ok(()) => Ok((file, temporary)),
        Err(e) => {
            let _ = fs::remove_file(&temporary);
            Err(io_refusal(e, "write", path))
        }
    }
}

/// Process ids are reused: a name left by a killed process is skipped.
fn create_temporary(path: &Path) -> io::Result<(File, PathBuf)> {
    loop {
        let temporary = temporary_beside(path);
        match disk::open(OpenOptions::new().write(true).create_new(true), &temporary) {
            Ok(file) => return Ok((file, temporary)),
            Err(e) if e.kind() == ErrorKind::AlreadyExists => {}
            Err(e) => return Err(e),
        }
    }
}

/// The mode of the existing file.
fn existing_mode(path: &Path) -> Option<u32> {
    fs::symlink_metadata(path).ok().filter(|meta| meta.is_file()).map(|meta| meta.mode() & 0o777)
}

/// Temporary names start with `.teof-` and end with `.tmp`: `doctor` knows leftovers by that.
fn temporary_beside(path: &Path) -> PathBuf {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let n = NEXT.fetch_add(1, Ordering::Relaxed);
    folder_of(path).join(format!(".teof-{}-{n}.tmp", std::process::id()))
}

/// Whether a file name is one of the temporary ones that [`replace`] renames when it is done.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(".teof-") && name.ends_with(".tmp")
}

/// Removes a file and syncs its folder; a missing file is fine.
pub fn remove(path: &Path) -> Result<()> {
    match disk::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io_refusal(e, "remove", path)),
    }
}

/// Removes a file that is no longer needed; after a power failure it may reappear. A missing file is fine.
pub fn discard(path: &Path) -> Result<()> {
    match disk::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_refusal(e, "remove", path)),
        _ => Ok(()),
    }
}

/// Removes a folder of this account with all that is in it, folders without rights included; anything else is left
/// alone.
///
/// # Errors
/// When a part of it cannot be removed.
pub fn remove_own_folder(path: &Path) -> io::Result<()> {
    let own = rustix::process::getuid().as_raw();
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() && found.uid() == own => fs::remove_dir_all(path).or_else(|e| match e.kind() {
            ErrorKind::PermissionDenied => {
                give_rights(path);
                fs::remove_dir_all(path)
            }
            _ => Err(e),
        }),
        _ => Ok(()),
    }
}

/// Makes each folder below `path` its owner's alone, so that it can be emptied. (Never wider: a program that still
/// runs could put a link there.)
fn give_rights(path: &Path) {
    let mut folders = vec![path.to_owned()];
    while let Some(folder) = folders.pop() {
        let _ = fs::set_permissions(&folder, fs::Permissions::from_mode(0o700));
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        folders.extend(entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())).map(|e| e.path()));
    }
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    disk::sync_folder(folder).map_err(|e| io_refusal(e, "sync", folder))
}

/// Creates the folder of `path` and those above it, and makes each of their names durable. A git directory is never
/// created: if it is missing, it was moved or unmounted, and what is written in its place would be lost.
pub fn create_parent(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    let new: Vec<&Path> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).collect();
    let is_git_dir = |folder: &&Path| folder.file_name().is_some_and(|name| name.as_encoded_bytes().ends_with(b".git"));
    if new.iter().any(is_git_dir) {
        return Err(io_refusal(rustix::io::Errno::NOENT.into(), "create", folder));
    }
    disk::create_dir_all(folder).map_err(|e| io_refusal(e, "create", folder))?;
    new.into_iter().rev().try_for_each(|folder| sync_folder(folder_of(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replacement_keeps_the_mode_and_leaves_no_temporary_file() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, b"old").unwrap();
        // Wider than what an ordinary umask leaves, and narrower.
        for mode in [0o666, 0o600] {
            fs::set_permissions(&file, fs::Permissions::from_mode(mode)).unwrap();
            replace(&file, b"newer").unwrap();
            replace_unsynced(&file, b"new").unwrap();
            assert_eq!(fs::read(&file).unwrap(), b"new");
            assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, mode);
        }
        assert!(replace(&dir.path().join("none/f"), b"x").is_err());
        assert!(create_parent(&dir.path().join("moved/.git/teof/f")).is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn an_own_folder_is_removed_with_folders_that_have_no_rights() {
        let dir = tempfile::tempdir().unwrap();
        let (root, kept) = (dir.path().join("own"), dir.path().join("kept"));
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::create_dir(&kept).unwrap();
        std::os::unix::fs::symlink(&kept, root.join("link")).unwrap();
        let mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        mode(&kept, 0o755);
        for folder in ["a/b/c", "a/b", "a", ""] {
            mode(&root.join(folder), 0o000);
        }
        remove_own_folder(&root).unwrap();
        assert!(!root.exists());
        assert_eq!(fs::metadata(&kept).unwrap().mode() & 0o777, 0o755);
    }

    #[test]
    fn a_leftover_temporary_file_of_the_same_process_id_does_not_block_a_replacement() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        let next = temporary_beside(&file).file_name().unwrap().to_str().unwrap().to_owned();
        let (mine, number) = next.trim_end_matches(".tmp").rsplit_once('-').unwrap();
        let number: u32 = number.parse().unwrap();
        for n in number + 1..number + 50 {
            fs::write(dir.path().join(format!("{mine}-{n}.tmp")), b"left").unwrap();
        }
        replace(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
    }
}
