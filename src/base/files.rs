//! Reads and writes files: whole or not at all, never through a link out of the tree.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::fs::OFlags;

use super::{Refusal, Result, disk};

/// The largest single document (a claim, a plan, a backlog) that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 16 * 1024 * 1024;

/// Reads a regular file of at most `max` bytes; `None` when there is none.
///
/// Links, FIFOs, devices and folders are refused rather than followed or waited for.
pub fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    let Some((file, size)) = open_sized(path)? else {
        return Ok(None);
    };
    if size > max {
        return Err(too_large(path, size, max).into());
    }
    // Room for one byte more: reading then ends without a probe of its own.
    let mut bytes = Vec::with_capacity(size as usize + 1);
    (&file).take(max + 1).read_to_end(&mut bytes).map_err(|e| io_refusal(e, "read", path))?;
    if bytes.len() as u64 > max {
        return Err(too_large(path, bytes.len() as u64, max).into());
    }
    Ok(Some(bytes))
}

/// Opens a regular file for reading without following a link in its last component.
pub fn open_regular(path: &Path) -> Result<Option<File>> {
    Ok(open_sized(path)?.map(|(file, _)| file))
}

/// The file, and its size in bytes.
fn open_sized(path: &Path) -> Result<Option<(File, u64)>> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = match OpenOptions::new().read(true).custom_flags(flags.bits() as i32).open(path) {
        Ok(file) => file,
        Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => return Ok(None),
        Err(e) if e.raw_os_error() == Some(rustix::io::Errno::LOOP.raw_os_error()) => {
            return Err(not_regular(path, "a symbolic link").into());
        }
        Err(e) => return Err(io_refusal(e, "open", path)),
    };
    let size = check_regular(&file, path)?;
    Ok(Some((file, size)))
}

/// Refuses an open file that is a folder, a FIFO or a device; tells the size of any other, in bytes.
pub fn check_regular(file: &File, path: &Path) -> Result<u64> {
    let found = file.metadata().map_err(|e| io_refusal(e, "read", path))?;
    let kind = found.file_type();
    if kind.is_file() {
        return Ok(found.len());
    }
    let what = if kind.is_dir() { "a folder" } else { "a FIFO, a socket or a device" };
    Err(not_regular(path, what).into())
}

/// Opens a file of teof's own (a lock, the journal, a watermark) for writing, as `options` say.
///
/// Whoever can write into the git directory could otherwise point such a name at any file of the person's:
/// a link in its place or in that of the two folders above it, and a second name of the same file, are refused.
/// `options` must not truncate: the file is checked after it was opened.
pub fn open_own(path: &Path, options: &mut OpenOptions) -> Result<File> {
    for folder in path.ancestors().skip(1).take(2).filter(|folder| !folder.as_os_str().is_empty()) {
        if fs::symlink_metadata(folder).is_ok_and(|found| found.is_symlink()) {
            return Err(not_own(folder, "a symbolic link").into());
        }
    }
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file =
        disk::open(options.custom_flags(flags.bits() as i32), path).map_err(|e| match fs::symlink_metadata(path) {
            Ok(found) if found.is_symlink() => not_own(path, "a symbolic link").into(),
            Ok(found) if !found.is_file() => not_own(path, "a folder, a pipe or a device").into(),
            _ => io_refusal(e, "open", path),
        })?;
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(not_own(path, "a pipe or a device").into());
    }
    if found.nlink() > 1 {
        return Err(not_own(path, "a hard link: the same file has another name").into());
    }
    Ok(file)
}

/// Whether `path` still names the open file: it may have been deleted or replaced since.
pub fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let (open, named) = (file.metadata()?, fs::symlink_metadata(path));
    Ok(named.is_ok_and(|named| (named.dev(), named.ino()) == (open.dev(), open.ino())))
}

/// Replaces `path` by `bytes`: temporary file in the same folder, write, sync, rename, sync the
/// folder. After a crash at any point the file is the old one or the new one.
pub fn replace(path: &Path, bytes: &[u8]) -> Result<()> {
    let beside = write_beside(path, bytes)?;
    beside.sync()?;
    rename(&beside.temporary, path)?;
    sync_folder(folder_of(path))
}

/// Gives a file that was written beside its target the target's name; it is removed when that fails.
pub fn rename(temporary: &Path, target: &Path) -> Result<()> {
    disk::rename(temporary, target).map_err(|e| {
        let _ = fs::remove_file(temporary);
        io_refusal(e, "write", target)
    })
}

/// A file's new bytes in a temporary file beside it, ready to be synced and renamed. What can fail for want of room
/// has happened, but for what a file system puts off until the sync.
#[derive(Debug)]
pub struct Beside {
    file: File,
    pub temporary: PathBuf,
    pub target: PathBuf,
}

impl Beside {
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

/// The first half of [`replace_unsynced`]; what can fail for want of room has happened after it.
pub fn write_beside_unsynced(path: &Path, bytes: &[u8]) -> Result<PathBuf> {
    write_temporary(path, bytes).map(|(_, temporary)| temporary)
}

/// A new file beside `path`, with the mode that `path` has.
fn write_temporary(path: &Path, bytes: &[u8]) -> Result<(File, PathBuf)> {
    let (file, temporary) = create_temporary(path).map_err(|e| io_refusal(e, "write", path))?;
    let written = (|| -> io::Result<()> {
        if let Some(mode) = existing_mode(path) {
            // Not when it is created: the umask would take bits away that the file has.
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

/// Process ids come again: a name that a killed process left is passed over.
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

/// Removes a file and syncs its folder; a missing file is fine.
pub fn remove(path: &Path) -> Result<()> {
    match disk::remove_file(path) {
        Ok(()) => sync_folder(folder_of(path)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(()),
        Err(e) => Err(io_refusal(e, "remove", path)),
    }
}

/// Removes a file that means nothing any more; after a power cut it may be back. A missing file is fine.
pub fn discard(path: &Path) -> Result<()> {
    match disk::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(io_refusal(e, "remove", path)),
        _ => Ok(()),
    }
}

/// Makes the names in `folder` durable.
pub fn sync_folder(folder: &Path) -> Result<()> {
    disk::sync_folder(folder).map_err(|e| io_refusal(e, "sync", folder))
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

/// Creates the folder of `path` and those above it, and makes each of their names durable.
pub fn create_parent(path: &Path) -> Result<()> {
    let folder = folder_of(path);
    if folder.is_dir() {
        return Ok(());
    }
    let new: Vec<&Path> =
        folder.ancestors().take_while(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()).collect();
    disk::create_dir_all(folder).map_err(|e| io_refusal(e, "create", folder))?;
    new.into_iter().rev().try_for_each(|folder| sync_folder(folder_of(folder)))
}

/// Device and inode: whether two names are the same file.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// The digest (16 hex digits) of the last few KiB before byte `end`: whether what was read up to there
/// is still the same, at the price of one small read.
pub fn digest_before(file: &File, end: u64) -> io::Result<String> {
    let start = end.saturating_sub(TAIL as u64);
    let mut bytes = vec![0; (end - start) as usize];
    match file.read_exact_at(&mut bytes, start) {
        // Shorter than `end`: nothing that anyone has noted.
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(String::new()),
        read => read.map(|()| tail_digest(&bytes)),
    }
}

/// How many bytes before a place tell whether what comes before it is the same, at most.
pub const TAIL: usize = 4096;

/// The digest that [`digest_before`] gives for these last bytes, of which there are at most [`TAIL`].
pub fn tail_digest(bytes: &[u8]) -> String {
    super::digest::sha256(bytes)[..16].to_owned()
}

/// An I/O error as a refusal: the disk, the limits and the rights of a machine are no fault of ours. Whoever
/// knows that nothing was changed says so.
pub fn io_refusal(error: io::Error, doing: &str, path: &Path) -> anyhow::Error {
    let refuse = |code, why: &str, next: &str| {
        Refusal::guard(code, format!("could not {doing} {}", path.display()))
            .because(format!("{why} ({error})"))
            .next(next)
            .into()
    };
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            refuse("disk.full", "no room on the disk", "free some room and try again")
        }
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => refuse(
            "disk.read_only",
            "this user may not write or read there",
            &format!(
                "see whose it is: ls -ld {}; then: teof doctor",
                super::text::shell_word(&folder_of(path).display().to_string())
            ),
        ),
        ErrorKind::InvalidFilename => {
            refuse("path.too_long", "the file system takes no name like this", "choose a shorter one")
        }
        _ if error.raw_os_error().is_some() => refuse(
            "disk.failed",
            "the operating system reported an error",
            "check the disk and the folder, then try again",
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

/// The mode of the file that is there.
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

fn too_large(path: &Path, size: u64, max: u64) -> Refusal {
    Refusal::guard("file.too_large", format!("{} is too large to read", path.display()))
        .because(format!("it has {size} bytes; at most {max} are read"))
        .next("look at what wrote it; teof left it as it is")
}

fn not_own(path: &Path, what: &str) -> Refusal {
    Refusal::guard("file.not_regular", format!("{} is not a file that teof made", path.display()))
        .because(format!("it is {what}; it was not opened"))
        .next("remove links among teof's own files: teof doctor --fix")
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
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_name_that_a_killed_process_of_the_same_id_left_stops_nobody() {
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

    #[test]
    fn a_file_of_our_own_is_never_opened_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let (victim, outside) = (dir.path().join("victim"), dir.path().join("outside"));
        fs::write(&victim, b"precious").unwrap();
        fs::create_dir(&outside).unwrap();
        let own = dir.path().join("own");
        fs::create_dir(&own).unwrap();
        symlink(&victim, own.join("link")).unwrap();
        symlink(own.join("nothing"), own.join("dangling")).unwrap();
        fs::hard_link(&victim, own.join("hard")).unwrap();
        fs::create_dir(own.join("folder")).unwrap();
        symlink(&outside, own.join("linked")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, own.join("pipe"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for name in ["link", "dangling", "hard", "folder", "pipe", "linked/f"] {
            let opened = open_own(&own.join(name), OpenOptions::new().write(true).create(true).truncate(false));
            assert_eq!(
                Refusal::of(&opened.unwrap_err()).map(|refusal| refusal.code),
                Some("file.not_regular"),
                "{name}"
            );
        }
        assert_eq!(fs::read(&victim).unwrap(), b"precious");
        assert!(fs::read_dir(&outside).unwrap().next().is_none() && !own.join("nothing").exists());
        let made = open_own(&own.join("f"), OpenOptions::new().write(true).create(true).truncate(false)).unwrap();
        assert!(is_at(&made, &own.join("f")).unwrap());
        fs::remove_file(own.join("f")).unwrap();
        assert!(!is_at(&made, &own.join("f")).unwrap());
    }
}
