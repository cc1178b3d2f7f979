//! Append-only files with one JSON value per line.
//!
//! Appends must be made under a lock that the caller holds. Readers need none: they ignore text after the last
//! newline, so they never see a partial line.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::{Result, disk, files};

/// What an append did.
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    /// The offset of the first appended byte.
    pub offset: u64,
    /// Where the last of them ends: the file's length, unless another tool appended since.
    pub end: u64,
    /// A cut last line before the append, and how it was completed.
    pub tail: Option<Tail>,
}

/// A last line without its newline, as a crash leaves it.
#[derive(Debug, PartialEq, Eq)]
pub enum Tail {
    /// It parsed as JSON and only lacked the newline.
    Completed,
    /// It did not parse; it was closed with a newline. The bytes are here for the caller to set aside.
    Torn(Vec<u8>),
}

/// A log open for appending: always the same file, even if its name changes meanwhile.
#[derive(Debug)]
pub struct Log {
    file: File,
    path: PathBuf,
    /// Written bytes that may have to be undone: offset and bytes.
    written: Vec<(u64, Vec<u8>)>,
    /// Its name is not durable yet.
    is_new: bool,
}

impl Log {
    /// Opens a log; `None` when it is not there and `create` is false. Never follows a link. The name of a new file
    /// is durable after [`Log::sync`].
    pub fn open(path: &Path, create: bool) -> Result<Option<Log>> {
        let failed = |e| files::io_refusal(e, "append to", path);
        let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
        let mut options = OpenOptions::new();
        options.read(true).append(true).custom_flags(flags);
        let mut is_new = false;
        let file = match disk::open(&options, path) {
            Err(e) if e.kind() == ErrorKind::NotFound && create => {
                files::create_parent(path)?;
                is_new = true;
                disk::open(options.create(true), path).map_err(failed)?
            }
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(failed)?,
        };
        files::check_regular(&file, path)?;
        Ok(Some(Log { file, path: path.to_owned(), written: Vec::new(), is_new }))
    }

    pub fn file(&self) -> &File {
        &self.file
    }

    pub fn length(&self) -> Result<u64> {
        Ok(self.file.metadata().map_err(|e| files::io_refusal(e, "read", &self.path))?.len())
    }

    /// Appends whole lines (each ending in a newline) with one write; they are durable after [`Log::sync`]. After an
    /// error the caller decides whether [`Log::take_back`] removes what was written of them.
    pub fn append(&mut self, lines: &[u8]) -> Result<Appended> {
        debug_assert!(lines.ends_with(b"\n"));
        let tail = unfinished_tail(&self.file, self.length()?)?;
        let closed = tail.as_ref().map_or_else(Vec::new, |_| vec![b'\n']);
        let bytes = [&closed, lines].concat();
        let end = self.write(&bytes).map_err(|e| files::io_refusal(e, "append to", &self.path))?;
        Ok(Appended { offset: end - lines.len() as u64, end, tail })
    }

    /// Where the written bytes end. A write that was cut short is continued only when nobody wrote in between.
    fn write(&mut self, bytes: &[u8]) -> io::Result<u64> {
        let mut left = bytes;
        loop {
            let n = disk::write(&self.file, left, &self.path)?;
            // The position after an append is where its bytes really ended, whoever else appended before.
            let end = (&self.file).stream_position()?;
            let start = end - n as u64;
            let follows = self.written.last().is_none_or(|(at, bytes)| at + bytes.len() as u64 == start);
            self.written.push((start, left[..n].to_vec()));
            left = &left[n..];
            match left.is_empty() {
                true if follows => return Ok(end),
                _ if n == 0 || !follows => return Err(ErrorKind::WriteZero.into()),
                _ => {}
            }
        }
    }

    /// Syncs appended lines, and the name of a new log.
    pub fn sync(&self) -> Result<()> {
        disk::sync_data(&self.file, &self.path).map_err(|e| files::io_refusal(e, "append to", &self.path))?;
        match self.path.parent().filter(|_| self.is_new) {
            Some(folder) => files::sync_folder(folder),
            None => Ok(()),
        }
    }

    /// Removes only what this log appended. If another tool appended after it, blank lines (which readers skip)
    /// replace the removed lines.
    pub fn take_back(&mut self) -> Result<()> {
        let failed = |e| files::io_refusal(e, "undo the append to", &self.path);
        while let Some((at, bytes)) = self.written.pop() {
            let mut found = vec![0; bytes.len()];
            if self.file.read_exact_at(&mut found, at).is_err() || found != bytes {
                continue;
            }
            match self.length()? == at + bytes.len() as u64 {
                true => disk::set_len(&self.file, at, &self.path).map_err(failed)?,
                false => self.blank(at, bytes.len()).map_err(failed)?,
            }
            disk::sync_data(&self.file, &self.path).map_err(failed)?;
        }
        Ok(())
    }

    /// Writes newlines over a part of the file.
    fn blank(&self, at: u64, length: usize) -> io::Result<()> {
        // With O_APPEND even a write at an offset goes to the end.
        let flags = rustix::fs::fcntl_getfl(&self.file)?;
        rustix::fs::fcntl_setfl(&self.file, flags - OFlags::APPEND)?;
        let written = self.file.write_all_at(&vec![b'\n'; length], at);
        rustix::fs::fcntl_setfl(&self.file, flags)?;
        written
    }

    /// Whether the log's name still leads to this file: git replaces files instead of changing them.
    pub fn is_current(&self) -> bool {
        let named = std::fs::symlink_metadata(&self.path).map(|meta| (meta.dev(), meta.ino()));
        matches!((named, files::identity(&self.file)), (Ok(named), Ok(ours)) if named == ours)
    }

    /// Truncates the file; for a partial line that a crash left.
    pub fn cut(&self, length: u64) -> Result<()> {
        disk::set_len(&self.file, length, &self.path).map_err(|e| files::io_refusal(e, "append to", &self.path))
    }
}

fn unfinished_tail(file: &File, length: u64) -> Result<Option<Tail>> {
    let mut last = [0];
    if length == 0 || (file.read_exact_at(&mut last, length - 1).is_ok() && last == *b"\n") {
        return Ok(None);
    }
    let start = line_start(file, length)?;
    let mut bytes = vec![0; (length - start) as usize];
    file.read_exact_at(&mut bytes, start)?;
    let parses = serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_ok();
    Ok(Some(if parses { Tail::Completed } else { Tail::Torn(bytes) }))
}

const BLOCK: u64 = 64 * 1024;

/// Where the line that contains the byte before `end` begins.
fn line_start(file: &File, end: u64) -> Result<u64> {
    let mut upper = end;
    let mut block = vec![0; BLOCK as usize];
    while upper > 0 {
        let lower = upper.saturating_sub(BLOCK);
        let part = &mut block[..(upper - lower) as usize];
        file.read_exact_at(part, lower)?;
        if let Some(at) = part.iter().rposition(|&b| b == b'\n') {
            return Ok(lower + at as u64 + 1);
        }
        upper = lower;
    }
    Ok(0)
}

/// Calls `each` with the number (from 1, counted from `from`), the offset and the bytes (without newline) of every
/// whole line from byte `from` on, until it returns `false`. Returns the offset after the last whole line read.
///
/// A missing file has no lines.
pub fn for_each_line(path: &Path, from: u64, each: impl FnMut(u64, u64, &[u8]) -> Result<bool>) -> Result<u64> {
    match files::open_regular(path)? {
        Some(file) => for_each_line_of(&file, from, each),
        None => Ok(from),
    }
}

/// Like [`for_each_line`], of an open file, whose position is neither used nor moved: several threads may
/// read parts of one file.
pub fn for_each_line_of(file: &File, from: u64, mut each: impl FnMut(u64, u64, &[u8]) -> Result<bool>) -> Result<u64> {
    // A small buffer for short logs, because it is cleared before its first use.
    let left = file.metadata()?.len().saturating_sub(from);
    let mut reader = BufReader::with_capacity(left.clamp(4 << 10, 1 << 20) as usize, From { file, at: from });
    let mut offset = from;
    let mut number = 0;
    let mut line = Vec::new();
    loop {
        line.clear();
        let n = reader.read_until(b'\n', &mut line)? as u64;
        if line.last() != Some(&b'\n') {
            return Ok(offset);
        }
        number += 1;
        let at = offset;
        offset += n;
        line.pop();
        if !each(number, at, &line)? {
            return Ok(offset);
        }
    }
}

/// Reads a file from its own position.
struct From<'f> {
    file: &'f File,
    at: u64,
}

impl Read for From<'_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let n = self.file.read_at(into, self.at)?;
        self.at += n as u64;
        Ok(n)
    }
}

/// The last `count` whole lines, oldest first, read backwards from the end.
pub fn tail(path: &Path, count: usize) -> Result<Vec<Vec<u8>>> {
    let mut lines = Vec::new();
    for_each_line_backwards(path, |line| {
        if lines.len() < count {
            lines.push(line.to_vec());
        }
        lines.len() < count
    })?;
    lines.truncate(count);
    lines.reverse();
    Ok(lines)
}

/// Calls `each` with every whole line from the last to the first, until it returns `false`.
pub fn for_each_line_backwards(path: &Path, mut each: impl FnMut(&[u8]) -> bool) -> Result<()> {
    let Some(file) = files::open_regular(path)? else {
        return Ok(());
    };
    let mut lower = file.metadata()?.len();
    // Bytes read but not yet passed on: a suffix of the file from `lower`.
    let mut held: Vec<u8> = Vec::new();
    let mut whole = false;
    loop {
        while let Some(at) = held.iter().rposition(|&b| b == b'\n') {
            let line = held.split_off(at);
            // The first newline from the end closes the last whole line: what follows it is not a line.
            if whole && !each(&line[1..]) {
                return Ok(());
            }
            whole = true;
        }
        if lower == 0 {
            if whole && !held.is_empty() {
                each(&held);
            }
            return Ok(());
        }
        // Long lines: grow the step with what is held, so that the work stays linear.
        let step = BLOCK.max(held.len() as u64).min(lower);
        let mut block = vec![0; step as usize];
        (&file).seek(SeekFrom::Start(lower - step))?;
        (&file).read_exact(&mut block)?;
        lower -= step;
        block.extend_from_slice(&held);
        held = block;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("events.jsonl");
        std::fs::write(&path, bytes).unwrap();
        (dir, path)
    }

    fn append(path: &Path, lines: &[u8]) -> Result<Appended> {
        Log::open(path, true)?.unwrap().append(lines)
    }

    #[test]
    fn undoing_an_append_keeps_lines_of_others() {
        use std::io::Write;
        let (_dir, path) = log(b"1\n");
        let mut ours = Log::open(&path, true).unwrap().unwrap();
        ours.append(b"2\n").unwrap();
        ours.take_back().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n");
        ours.append(b"two\n").unwrap();
        OpenOptions::new().append(true).open(&path).unwrap().write_all(b"3\n").unwrap();
        ours.take_back().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n\n\n\n\n3\n");
        ours.append(b"4\n").unwrap();
        assert!(ours.is_current());
        std::fs::rename(&path, path.with_extension("old")).unwrap();
        std::fs::write(&path, b"1\n").unwrap();
        assert!(!ours.is_current());
        ours.take_back().unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"1\n");
    }

    #[test]
    fn only_a_regular_file_is_a_log() {
        let dir = tempfile::tempdir().unwrap();
        let fifo = dir.path().join("p");
        rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        for path in [fifo.as_path(), dir.path()] {
            assert!(crate::base::Refusal::of(&Log::open(path, true).unwrap_err()).is_some());
        }
    }

    #[test]
    fn a_whole_log_is_only_appended_to() {
        let (_dir, path) = log(b"{\"a\":1}\n");
        let done = append(&path, b"{\"b\":2}\n").unwrap();
        assert_eq!((done.offset, done.end, done.tail), (8, 16, None));
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"a\":1}\n{\"b\":2}\n");
    }

    #[test]
    fn a_cut_last_line_costs_no_other_line() {
        let (_dir, path) = log(b"{\"a\":1}\n{\"b\":");
        let done = append(&path, b"{\"c\":3}\n").unwrap();
        assert_eq!(done.tail, Some(Tail::Torn(b"{\"b\":".to_vec())));
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"a\":1}\n{\"b\":\n{\"c\":3}\n");
        let (_dir, path) = log(b"{\"a\":1}");
        assert_eq!(append(&path, b"{\"c\":3}\n").unwrap().tail, Some(Tail::Completed));
        assert_eq!(std::fs::read(&path).unwrap(), b"{\"a\":1}\n{\"c\":3}\n");
    }

    #[test]
    fn readers_ignore_what_follows_the_last_newline() {
        let (_dir, path) = log(b"1\n2\n3");
        let mut seen = Vec::new();
        let end = for_each_line(&path, 0, |n, at, line| {
            seen.push((n, at, line.to_vec()));
            Ok(true)
        })
        .unwrap();
        assert_eq!(seen, [(1, 0, b"1".to_vec()), (2, 2, b"2".to_vec())]);
        assert_eq!(end, 4);
        assert_eq!(tail(&path, 5).unwrap(), [b"1".to_vec(), b"2".to_vec()]);
        assert_eq!(tail(&path, 1).unwrap(), [b"2".to_vec()]);
        assert_eq!(tail(&path, 0).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn tails_are_the_same_across_block_borders() {
        let lines: Vec<String> = (0..40_000).map(|i| format!("{{\"n\":{i}}}")).collect();
        let (_dir, path) = log((lines.join("\n") + "\n").as_bytes());
        let tail: Vec<_> = tail(&path, 20_000).unwrap();
        assert_eq!(tail.len(), 20_000);
        assert!(tail.iter().zip(&lines[20_000..]).all(|(a, b)| a == b.as_bytes()));
        let (_dir, path) = log(format!("{}\n{}\n", "x".repeat(300_000), "y".repeat(200_000)).as_bytes());
        let tail = super::tail(&path, 9).unwrap();
        assert_eq!((tail.len(), tail[0].len(), tail[1].len()), (2, 300_000, 200_000));
    }
}
