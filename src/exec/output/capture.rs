//! Stores a process's output: in a file up to a limit, with the tail in memory and all bytes counted.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::base::{Result, digest, files};

/// How much of the output is kept.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Bytes in the file; what comes after is counted and dropped.
    pub file: u64,
    /// Bytes at the end, in memory.
    pub tail: usize,
}

impl Default for Keep {
    fn default() -> Self {
        Self { file: 64 << 20, tail: 16 << 10 }
    }
}

/// What was kept of the output.
#[derive(Clone, Debug)]
pub struct Captured {
    pub path: PathBuf,
    /// Everything that was printed, in bytes.
    pub bytes: u64,
    /// What the file holds of it, from the beginning.
    pub kept: u64,
    /// The SHA-256 of the file, so that it can be checked.
    pub sha256: String,
    /// The last bytes printed, whether or not the file holds them.
    pub tail: Vec<u8>,
}

/// Takes the output in, chunk by chunk; memory does not grow with it.
pub(in crate::exec) struct Capture {
    file: File,
    path: PathBuf,
    keep: Keep,
    hasher: Sha256,
    bytes: u64,
    kept: u64,
    tail: Vec<u8>,
    /// The file could not be written any more; the process goes on and the verdict says so.
    failed: Option<std::io::Error>,
}

impl Capture {
    /// Makes the file, readable by this user only; an existing one is not overwritten.
    pub fn create(path: &Path, keep: Keep) -> Result<Self> {
        files::create_parent(path)?;
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .map_err(|e| files::io_refusal(e, "create", path))?;
        Ok(Self {
            file,
            path: path.to_owned(),
            keep,
            hasher: Sha256::new(),
            bytes: 0,
            kept: 0,
            tail: Vec::new(),
            failed: None,
        })
    }

    pub fn take(&mut self, chunk: &[u8]) {
        self.bytes += chunk.len() as u64;
        let room = self.keep.file.saturating_sub(self.kept).min(chunk.len() as u64) as usize;
        if room > 0 && self.failed.is_none() {
            match self.file.write_all(&chunk[..room]) {
                Ok(()) => {
                    self.hasher.update(&chunk[..room]);
                    self.kept += room as u64;
                }
                Err(e) => self.failed = Some(e),
            }
        }
        self.tail.extend_from_slice(chunk);
        if self.tail.len() > 2 * self.keep.tail.max(chunk.len()) {
            self.tail.drain(..self.tail.len() - self.keep.tail);
        }
    }

    /// Syncs the file and says what was kept. Fails when the file could not be written.
    pub fn finish(mut self) -> Result<Captured> {
        if let Some(e) = self.failed.take().or_else(|| self.file.sync_all().err()) {
            return Err(files::io_refusal(e, "write", &self.path));
        }
        self.tail.drain(..self.tail.len().saturating_sub(self.keep.tail));
        Ok(Captured {
            path: self.path,
            bytes: self.bytes,
            kept: self.kept,
            sha256: digest::hex(&self.hasher.finalize()),
            tail: self.tail,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_is_counted_and_its_beginning_and_end_are_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("out/1.log");
        let mut capture = Capture::create(&path, Keep { file: 10, tail: 4 }).unwrap();
        for chunk in [&b"abcdef"[..], b"ghijklmn", b"op"] {
            capture.take(chunk);
        }
        assert!(capture.tail.capacity() < 100);
        let kept = capture.finish().unwrap();
        assert_eq!((kept.bytes, kept.kept, &kept.tail[..]), (16, 10, &b"mnop"[..]));
        assert_eq!(std::fs::read(&path).unwrap(), b"abcdefghij");
        assert_eq!(kept.sha256, digest::sha256(b"abcdefghij"));
        assert!(Capture::create(&path, Keep::default()).is_err(), "output is never overwritten");
    }
}
