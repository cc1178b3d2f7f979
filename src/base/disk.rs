//! The file system calls that change something, each one a place where a test can inject a fault.
//!
//! In debug builds `TEOF_FAULT=<kind>:<n>` acts at the n-th of these calls: `eio` and `enospc` fail it, `kill` ends the
//! process without any clean-up, `stop` suspends it until somebody sends SIGCONT. `replace:<n>` acts at each sync of a
//! log: it puts a copy of its first n lines in the log's place, as a tool does that rewrites it. `TEOF_FAULT_LOG` names
//! a file that then gets the name of the call; with `list:0` it gets a line for each of them. A release build has none
//! of this.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

/// Opens a file for writing, and perhaps creates it.
pub fn open(options: &OpenOptions, path: &Path) -> io::Result<File> {
    fault("open", path)?;
    options.open(path)
}

/// One `write`; the number of bytes that were taken, as the standard library's.
pub fn write(mut file: &File, bytes: &[u8], path: &Path) -> io::Result<usize> {
    fault("write", path)?;
    file.write(bytes)
}

pub fn write_all(mut file: &File, bytes: &[u8], path: &Path) -> io::Result<()> {
    fault("write", path)?;
    file.write_all(bytes)
}

pub fn sync_data(file: &File, path: &Path) -> io::Result<()> {
    fault("fdatasync", path)?;
    file.sync_data()
}

/// Makes the names in a folder durable.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    fault("fsync", folder)?;
    File::open(folder)?.sync_all()
}

pub fn set_len(file: &File, length: u64, path: &Path) -> io::Result<()> {
    fault("ftruncate", path)?;
    file.set_len(length)
}

pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    fault("rename", to)?;
    fs::rename(from, to)
}

pub fn remove_file(path: &Path) -> io::Result<()> {
    fault("unlink", path)?;
    fs::remove_file(path)
}

pub fn create_dir_all(folder: &Path) -> io::Result<()> {
    fault("mkdir", folder)?;
    fs::create_dir_all(folder)
}

/// Before files are watched: the limit of watches, which a test reaches with `TEOF_FAULT=watches:0` while the file
/// that `TEOF_FAULT_LOG` names exists.
pub fn watch_limit() -> io::Result<()> {
    #[cfg(debug_assertions)]
    injection::watches()?;
    Ok(())
}

#[cfg(not(debug_assertions))]
fn fault(_: &str, _: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(debug_assertions)]
fn fault(call: &str, path: &Path) -> io::Result<()> {
    injection::reach(call, path)
}

#[cfg(debug_assertions)]
mod injection {
    use std::fs;
    use std::io::{self, Write};
    use std::path::Path;
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicU32, Ordering};

    use rustix::io::Errno;
    use rustix::process::{Signal, getpid, kill_process};

    use super::super::env;

    static REACHED: AtomicU32 = AtomicU32::new(0);

    /// The requested fault and call number; read once.
    fn wanted() -> Option<&'static (String, u32)> {
        static WANTED: OnceLock<Option<(String, u32)>> = OnceLock::new();
        let read = || {
            let value = env::var("TEOF_FAULT")?;
            let (kind, n) = value.split_once(':')?;
            Some((kind.to_owned(), n.parse().ok()?))
        };
        WANTED.get_or_init(read).as_ref()
    }

    pub fn watches() -> io::Result<()> {
        let is_wanted = wanted().is_some_and(|(kind, _)| kind == "watches");
        let is_on = || env::var("TEOF_FAULT_LOG").is_some_and(|file| Path::new(&file).exists());
        if is_wanted && is_on() { Err(Errno::NOSPC.into()) } else { Ok(()) }
    }

    fn list(call: &str, path: &Path) -> io::Result<()> {
        let Some(log) = env::var("TEOF_FAULT_LOG") else { return Ok(()) };
        let mut log = fs::File::options().create(true).append(true).open(log)?;
        writeln!(log, "{call} {}", path.display())
    }

    fn replace(call: &str, path: &Path, kept: usize) -> io::Result<()> {
        if call != "fdatasync" || path.extension().is_none_or(|end| end != "jsonl") {
            return Ok(());
        }
        // Several threads may sync the same log.
        let copy = path.with_extension(format!("copy{}", REACHED.fetch_add(1, Ordering::Relaxed)));
        let text = fs::read_to_string(path)?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        fs::write(&copy, lines[..lines.len().min(kept)].concat())?;
        fs::rename(copy, path)
    }

    pub fn reach(call: &str, path: &Path) -> io::Result<()> {
        let Some((kind, n)) = wanted() else { return Ok(()) };
        if kind == "list" {
            return list(call, path);
        }
        if kind == "watches" {
            return Ok(());
        }
        if kind == "replace" {
            return replace(call, path, *n as usize);
        }
        if REACHED.fetch_add(1, Ordering::Relaxed) + 1 != *n {
            return Ok(());
        }
        if let Some(log) = env::var("TEOF_FAULT_LOG") {
            let _ = fs::write(log, format!("{call} {}", path.display()));
        }
        match kind.as_str() {
            "eio" => return Err(Errno::IO.into()),
            "enospc" => return Err(Errno::NOSPC.into()),
            "kill" => kill_process(getpid(), Signal::KILL)?,
            "stop" => kill_process(getpid(), Signal::STOP)?,
            _ => {}
        }
        Ok(())
    }
}
