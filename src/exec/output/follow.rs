//! A program's stdout as a file that is read while it grows: for programs that lose the rest of their output in a
//! pipe when they exit (node writes to a pipe asynchronously, to a file synchronously).
//!
//! The file is unlinked, so it leaves nothing behind, and the disk space of what was read is freed.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use anyhow::Context;

use crate::base::{Result, files};

/// How much that was read may lie on the disk, in bytes.
const KEPT: u64 = 4 << 20;

pub(in crate::exec) struct Followed {
    file: File,
    /// What was read so far, and what of it is off the disk.
    at: u64,
    freed: u64,
}

impl Followed {
    /// The near end, and the one for the program. The file is in the folder of `beside` until its name is removed.
    pub fn new(beside: &Path) -> Result<(Followed, File)> {
        let path = beside.with_extension("direct");
        files::create_parent(&path)?;
        let refuse = |e| files::io_refusal(e, "create", &path);
        let open = |create| OpenOptions::new().read(true).append(true).create_new(create).mode(0o600).open(&path);
        let program = open(true).map_err(refuse)?;
        let file = open(false).map_err(refuse)?;
        std::fs::remove_file(&path).with_context(|| format!("take its name from {}", path.display()))?;
        Ok((Followed { file, at: 0, freed: 0 }, program))
    }

    /// What was printed since; 0 when there is nothing now.
    pub fn read(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let n = self.file.read_at(chunk, self.at).context("read output")?;
        self.at += n as u64;
        if self.at - self.freed >= KEPT {
            self.free();
        }
        Ok(n)
    }

    /// How much was printed and not read, in bytes.
    pub fn left(&self) -> Result<u64> {
        Ok(self.file.metadata().context("read output")?.len().saturating_sub(self.at))
    }

    /// Frees the disk space of what was read, where the file system can.
    fn free(&mut self) {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::FallocateFlags;
            let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            let _ = rustix::fs::fallocate(&self.file, flags, self.freed, self.at - self.freed);
        }
        self.freed = self.at;
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn output_is_read_once_and_leaves_no_file() {
        let dir = tempfile::tempdir().unwrap();
        let (mut followed, mut program) = Followed::new(&dir.path().join("x.out")).unwrap();
        let mut chunk = [0; 4];
        assert_eq!(followed.read(&mut chunk).unwrap(), 0);
        program.write_all(b"abcdef").unwrap();
        assert_eq!((followed.read(&mut chunk).unwrap(), &chunk), (4, b"abcd"));
        program.write_all(b"g").unwrap();
        assert_eq!((followed.read(&mut chunk).unwrap(), &chunk[..3]), (3, &b"efg"[..]));
        assert_eq!(followed.read(&mut chunk).unwrap(), 0);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
