//! Opens and reads regular files: never through a link, never waiting for a FIFO, never more than is asked for.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::refusals::{io_refusal, not_own, not_regular, too_large};
use crate::base::{Result, digest, disk};

/// The largest single document (a claim, a plan, a backlog) that is read, in bytes.
pub const MAX_DOCUMENT: u64 = 16 * 1024 * 1024;

/// Reads a regular file of at most `max` bytes; `None` when it does not exist.
///
/// Links, FIFOs, devices and folders are refused rather than followed or waited for.
pub fn read(path: &Path, max: u64) -> Result<Option<Vec<u8>>> {
    let Some((file, size)) = open_sized(path)? else {
        return Ok(None);
    };
    if size > max {
        return Err(too_large(path, size, max).into());
    }
    // One extra byte of capacity saves a probe at the end.
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
/// Otherwise a program that can write into the git directory could point such a name at any file of the person. A
/// link in its place or in place of the two folders above it, and a second name of the same file, are refused.
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

/// Device and inode: whether two names are the same file.
pub fn identity(file: &File) -> io::Result<(u64, u64)> {
    let meta = file.metadata()?;
    Ok((meta.dev(), meta.ino()))
}

/// The digest (16 hex digits) of the last few KiB before byte `end`: tells with one small read whether the bytes read
/// so far are still the same.
pub fn digest_before(file: &File, end: u64) -> io::Result<String> {
    let start = end.saturating_sub(TAIL as u64);
    let mut bytes = vec![0; (end - start) as usize];
    match file.read_exact_at(&mut bytes, start) {
        // Shorter than `end`: cannot match any stored digest.
        Err(e) if e.kind() == ErrorKind::UnexpectedEof => Ok(String::new()),
        read => read.map(|()| tail_digest(&bytes)),
    }
}

/// How many bytes before a position identify what comes before it, at most.
pub const TAIL: usize = 4096;

/// The digest that [`digest_before`] gives for these last bytes, of which there are at most [`TAIL`].
pub fn tail_digest(bytes: &[u8]) -> String {
    digest::sha256(bytes)[..16].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Refusal;
    use std::os::unix::fs::symlink;

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
