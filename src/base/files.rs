//! Files, written whole or not at all, never through a link out of the tree.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;
use rustix::fs::OFlags;

use super::{Refusal, Result};

/// The largest single document (a claim, a plan, a backlog) that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 16 * 1024 * 1024;

/// Reads a regular file of at most `max` bytes; `None` when there is none.
///
/// Links, FIFOs, devices and folders are refused rather than followed or waited for.
pub fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    let Some(file) = open_regular(path)? else {
        return Ok(None);
    };
    let size = file.metadata()?.len();
    if size > max {
        return Err(too_large(path, size, max).into());
    }
    let mut bytes = Vec::with_capacity(size as usize);
    (&file).take(max + 1).read_to_end(&mut bytes).map_err(|e| io_refusal(e, "read", path))?;
    if bytes.len() as u64 > max {
        return Err(too_large(path, bytes.len() as u64, max).into());
    }
    Ok(Some(bytes))
}

/// Opens a regular file for reading without following a link in its last component.
pub fn open_regular(path: &Path) -> Result<Option<File>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(not_regular(path, "a symbolic link").into());
        }
        Err(e) => return Err(io_refusal(e, "open", path)),
    };
    let kind = file.metadata()?.file_type();
    if kind.is_file() {
        return Ok(Some(file));
    }
    let what = if kind.is_dir() { "a folder" } else { "not a regular file" };
    Err(not_regular(path, what).into())
}

/// Replaces `path` by `bytes`: temporary file in the same folder, write, sync, rename, sync the
/// folder. After a crash at any point the file is the old one or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = write_beside(path, bytes)?;
    if let Err(e) = fs::rename(&temporary, path) {
        let _ = fs::remove_file(&temporary);
        return Err(io_refusal(e, "write", path));
    }
    sync_folder(folder_of(path))
}

/// The first half of [`replace`]: the bytes, synced, in a temporary file beside `path`, ready to be renamed.
pub fn write_beside(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let temporary = temporary_beside(path);
    let written = (|| -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(existing_mode(path)).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_data()
    })();
    match written {
        Ok(()) => Ok(temporary),
        Err(e) => {
            let _ = fs::remove_file(&temporary);
            Err(io_refusal(e, "write", path))
        }
    }
}

/// Like [`replace`], but nothing is synced: for caches and marks that can be built again.
pub fn replace_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    let temporary = write_beside_unsynced(path, bytes)?;
    fs::rename(&temporary, path).map_err(|e| {
        let _ = fs::remove_file(&temporary);
        io_refusal(e, "write", path)
    })
}

/// The first half of [`replace_unsynced`]; what can fail for want of room has happened after it.
pub fn write_beside_unsynced(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    let temporary = temporary_beside(path);
    match fs::write(&temporary, bytes) {
        Ok(()) => Ok(temporary),
        Err(e) => {
            let _ = fs::remove_file(&temporary);
            Err(io_refusal(e, "write", path))
        }
    }
}

/// Removes a file and syncs its folder; a missing file is fine.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io_refusal(e, "remove", path)),
    }
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|folder| folder.sync_all()).with_context(|| format!("sync {}", folder.display()))
}

/// `root` joined with `relative`, after checking that `relative` stays inside: no absolute path,
/// no `..`, and no symbolic link among the folders on the way.
///
/// The last component may be a link; what opens it decides (readers refuse, a rename replaces it).
pub fn within(root: &Path, relative: &str) -> Result<PathBuf> {
    let bad = |why: &str| {
        let shown = super::text::clip(&super::text::safe(relative), 120);
        Refusal::guard("path.outside", format!("the path {shown:?} is not allowed"))
            .because(why)
            .next("name a path inside the repository, relative to its root")
    };
    if relative.is_empty() || relative.contains('\0') || relative.contains('\n') {
        return Err(bad("it is empty or holds a line break or NUL").into());
    }
    let parts: Vec<_> = Path::new(relative).components().collect();
    if !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        return Err(bad("it is absolute or leaves the tree with '..'").into());
    }
    let mut path = root.to_owned();
    for (i, part) in parts.iter().enumerate() {
        path.push(part);
        let last = i + 1 == parts.len();
        match fs::symlink_metadata(&path) {
            Ok(found) if !last && found.is_symlink() => {
                return Err(bad(&format!("{} is a symbolic link", path.display())).into());
            }
            Ok(_) => {}
            Err(_) => {
                path.extend(&parts[i + 1..]);
                break;
            }
        }
    }
    Ok(path)
}

/// Creates the folder of `path` and those above it, and makes their names durable.
pub fn create_parent(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(|e| io_refusal(e, "create", folder))?;
    sync_folder(folder_of(folder))
}

/// Device and inode: whether two names are the same file.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// The digest (16 hex digits) of the last few KiB before byte `end`: whether what was read up to there
/// is still the same, at the price of one small read.
pub fn digest_before(file: &File, end: u64) -> io::Result<String> {
    let start = end.saturating_sub(4096);
    let mut bytes = vec![0; (end - start) as usize];
    match file.read_exact_at(&mut bytes, start) {
        // Shorter than `end`: nothing that anyone has noted.
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(String::new()),
        read => read.map(|()| super::digest::sha256(&bytes)[..16].to_owned()),
    }
}

/// Turns the I/O errors that a user can do something about into refusals; nothing was changed.
pub fn io_refusal(error: io::Error, doing: &str, path: &Path) -> anyhow::Error {
    let refuse = |code, why: &str, next: &str| {
        Refusal::guard(code, format!("could not {doing} {}", path.display()))
            .because(format!("{why} ({error})"))
            .next(next)
            .into()
    };
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            refuse("disk.full", "no room on the disk", "free some room and try again; nothing was changed")
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => refuse(
            "disk.read_only",
            "this user may not write or read there",
            "check the owner and mode of the folder; nothing was changed",
        ),
        ErrorKind::InvalidFilename => refuse(
            "path.too_long",
            "the file system takes no name like this",
            "choose a shorter one; nothing was changed",
        ),
        _ => anyhow::Error::new(error).context(format!("{doing} {}", path.display())),
    }
}

fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn existing_mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).ok().filter(|meta| meta.is_file()).map_or(0o666, |meta| meta.mode() & 0o777)
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

fn too_large(path: &Path, size: u64, max: u64) -> Refusal {
    Refusal::guard("file.too_large", format!("{} is too large to read", path.display()))
        .because(format!("it has {size} bytes; at most {max} are read"))
        .next("look at what wrote it; teof left it as it is")
}

fn not_regular(path: &Path, what: &str) -> Refusal {
    Refusal::guard("file.not_regular", format!("{} is not a regular file", path.display()))
        .because(format!("it is {what}"))
        .next("replace it by a regular file; teof does not follow it")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn paths_that_leave_the_tree_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        symlink("/tmp", dir.path().join("link")).unwrap();
        for bad in ["", "/etc/passwd", "../x", "a/../../x", "link/x", "a\nb", "./x"] {
            assert!(within(dir.path(), bad).is_err(), "{bad:?}");
        }
        assert_eq!(within(dir.path(), "a/b.json").unwrap(), dir.path().join("a/b.json"));
    }

    #[test]
    fn only_regular_files_of_a_bounded_size_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, b"12345").unwrap();
        symlink(&file, dir.path().join("l")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, dir.path().join("p"), rustix::fs::FileType::Fifo, 0o600.into(), 0)
            .unwrap();
        assert_eq!(read(&file, 5).unwrap().unwrap(), b"12345");
        assert_eq!(read(&dir.path().join("none"), 5).unwrap(), None);
        for (name, code) in
            [("f", "file.too_large"), ("l", "file.not_regular"), ("p", "file.not_regular"), (".", "file.not_regular")]
        {
            let error = read(&dir.path().join(name), 4).unwrap_err();
            assert_eq!(Refusal::of(&error).unwrap().code, code, "{name}");
        }
    }

    #[test]
    fn a_replacement_keeps_the_mode_and_leaves_no_temporary_file() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("f");
        fs::write(&file, b"old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        replace(&file, b"new").unwrap();
        assert_eq!(fs::read(&file).unwrap(), b"new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o600);
        assert!(replace(&dir.path().join("none/f"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
