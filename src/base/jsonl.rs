//! Append-only files of one JSON value a line.
//!
//! Appends must be made under a lock that the caller holds. Readers need none: they ignore what
//! follows the last newline, so they never see half a line.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use rustix::fs::OFlags;

use super::{Result, files};

/// What an append did.
#[derive(Debug, PartialEq, Eq)]
pub struct Appended {
    /// Where the first of our bytes landed.
    pub offset: u64,
    /// The file's length afterwards.
    pub end: u64,
    /// A cut last line that was found before ours, and how it was closed.
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

/// Appends whole lines (each ending in a newline) with one write, then syncs the data.
///
/// A short write of ours is truncated away, so the file holds all of `lines` or none of them.
/// Never follows a link.
pub fn append(path: &Path, lines: &[u8]) -> Result<Appended> {
    debug_assert!(lines.ends_with(b"\n"));
    files::create_parent(path)?;
    let existed = path.exists();
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let mut file = OpenOptions::new()
        .read(true)
        .append(true)
        .create(true)
        .custom_flags(flags)
        .open(path)
        .map_err(|e| files::io_refusal(e, "append to", path))?;
    let length = file.metadata()?.len();
    let tail = unfinished_tail(&file, length)?;
    let ours;
    let bytes = match tail {
        None => lines,
        Some(_) => {
            ours = [b"\n", lines].concat();
            &ours
        }
    };
    if let Err(e) = file.write_all(bytes).and_then(|()| file.sync_data()) {
        let _ = file.set_len(length);
        return Err(files::io_refusal(e, "append to", path));
    }
    if !existed && let Some(folder) = path.parent() {
        files::sync_folder(folder)?;
    }
    let end = length + bytes.len() as u64;
    Ok(Appended { offset: end - lines.len() as u64, end, tail })
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

/// Calls `each` with the number (from 1, counted from `from`), the offset and the bytes (without newline) of every whole line from
/// byte `from` on, until it returns `false`. Returns the offset after the last whole line read.
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
    // The buffer is cleared before its first use, which a short log should not pay for.
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

/// Reads a file from a position of its own.
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
    // What is read and not yet given out: a suffix of the file that starts at `lower`.
    let mut held: Vec<u8> = Vec::new();
    let mut whole = false;
    loop {
        while let Some(at) = held.iter().rposition(|&b| b == b'\n') {
            let line = held.split_off(at);
            // The first newline from the end closes the last whole line: what follows it is no line.
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
