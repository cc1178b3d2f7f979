//! The process that keeps what a person's terminal shows: tmux pipes it here. The file has a limit, and its end is kept.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use crate::base::{Result, files};

/// The first argument that selects this process. What follows: the file, its limit in bytes.
pub(in crate::exec) const MODE: &str = "__terminal-log";

const CHUNK: usize = 64 << 10;

/// The main function of the process.
pub(in crate::exec) fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let path = args.next().map(PathBuf::from);
    let limit = args.next().and_then(|limit| limit.to_str()?.parse().ok());
    let (Some(path), Some(limit)) = (path, limit) else { return ExitCode::FAILURE };
    match keep(io::stdin().lock(), &path, limit) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Appends everything that comes to a file. When that is over its limit, a file with the newer half takes its place:
/// whoever reads the old one sees that it is another.
fn keep(mut from: impl Read, path: &Path, limit: u64) -> Result<()> {
    let mut file = open(path)?;
    let mut length = file.metadata()?.len();
    let mut chunk = vec![0; CHUNK];
    loop {
        match from.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                file.write_all(&chunk[..n])?;
                length += n as u64;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e.into()),
        }
        if length > limit {
            let kept = last_lines(&mut file, length.saturating_sub(limit / 2))?;
            files::replace_unsynced(path, &kept)?;
            file = open(path)?;
            length = kept.len() as u64;
        }
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)
}

/// The whole lines after a position.
fn last_lines(file: &mut File, after: u64) -> io::Result<Vec<u8>> {
    file.seek(SeekFrom::Start(after))?;
    let mut end = Vec::new();
    file.read_to_end(&mut end)?;
    let from = end.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    Ok(end.split_off(from))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_long_log_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("terminal.log");
        let lines: String = (0..100_000).map(|n| format!("line {n}\n")).collect();
        for _ in 0..2 {
            keep(lines.as_bytes(), &path, 300_000).unwrap();
            let kept = std::fs::read_to_string(&path).unwrap();
            assert!(lines.ends_with(&kept) && kept.starts_with("line "), "{kept:.100}");
            assert!((100_000..300_000).contains(&kept.len()), "{}", kept.len());
        }
        keep(&b"x"[..], &path, 0).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), b"");
    }
}
