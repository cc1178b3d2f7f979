//! Advisory locks on files that are never deleted.
//!
//! The lock is the standard library's (`flock` on Linux): it belongs to the open file, so the
//! kernel gives it back when the process dies, however it dies. Who holds it is written into the
//! file for people to read; nothing decides by that text.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use anyhow::Context;

use super::{Exit, Refusal, Result, text};

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock, waiting at most `wait`.
    ///
    /// The wait is a blocking lock in a helper thread: no polling, no lost wake-up. When it runs
    /// out the refusal (exit 5) names the file, the holder, and `setting`, which governs the wait.
    pub fn acquire(path: &Path, wait: Duration, setting: &str, what: &str) -> Result<FileLock> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => return Self::taken(file, path, what),
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => {
                return Err(e).with_context(|| format!("lock {}", path.display()));
            }
        }
        let (send, receive) = mpsc::channel();
        std::thread::spawn(move || {
            let locked = file.lock();
            // Nobody waits any more: the file is dropped here and the lock goes back.
            let _ = send.send(locked.map(|()| file));
        });
        match receive.recv_timeout(wait) {
            Ok(Ok(file)) => Self::taken(file, path, what),
            Ok(Err(e)) => Err(e).with_context(|| format!("lock {}", path.display())),
            Err(_) => Err(timed_out(path, wait, setting).into()),
        }
    }

    /// Takes the lock if it is free, else `None`.
    pub fn try_acquire(path: &Path, what: &str) -> Result<Option<FileLock>> {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) => Self::taken(file, path, what).map(Some),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("lock {}", path.display())),
        }
    }

    /// Replaces the text that tells people who holds the lock.
    pub fn describe(&mut self, what: &str) -> Result<()> {
        let note = format!("pid {}: {}\n", std::process::id(), text::clip(&text::safe(what), 200));
        self.file.set_len(0)?;
        self.file.rewind()?;
        self.file.write_all(note.as_bytes()).with_context(|| format!("write {}", self.path.display()))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    fn taken(file: File, path: &Path, what: &str) -> Result<FileLock> {
        let mut lock = FileLock { file, path: path.to_owned() };
        // The note is a courtesy; a full disk must not cost the lock.
        if let Err(e) = lock.describe(what) {
            tracing::debug!("lock note not written: {e:#}");
        }
        Ok(lock)
    }
}

/// Whether some live process holds the lock. A file that does not exist is not held.
pub fn is_held(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(e) => return Err(e).with_context(|| format!("open {}", path.display())),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("lock {}", path.display())),
    }
}

/// What the last holder wrote about itself; for messages only.
pub fn holder(path: &Path) -> Option<String> {
    let mut note = String::new();
    File::open(path).ok()?.take(512).read_to_string(&mut note).ok()?;
    let note = text::safe(note.trim());
    (!note.is_empty()).then_some(note)
}

fn open(path: &Path) -> Result<File> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).with_context(|| format!("create {}", folder.display()))?;
    }
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)
        .map_err(|e| super::files::io_refusal(e, "open the lock", path))
}

fn timed_out(path: &Path, wait: Duration, setting: &str) -> Refusal {
    let holder = holder(path).unwrap_or_else(|| "another process".to_owned());
    Refusal::new(
        Exit::TimedOut,
        "lock.timeout",
        format!("the lock {} is still held after {}", path.display(), super::time::show_span(wait)),
    )
    .because(format!("held by {holder}"))
    .next("try again; nothing was changed")
    .next(format!("to wait longer, raise {setting} in teof.toml"))
    .with("holder", holder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_held_lock_is_refused_with_its_holder_and_the_setting() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.lock");
        let held = FileLock::acquire(&path, Duration::ZERO, "lock.wait", "bus claim A").unwrap();
        assert!(is_held(&path).unwrap());
        assert!(FileLock::try_acquire(&path, "x").unwrap().is_none());
        let error = FileLock::acquire(&path, Duration::from_millis(5), "lock.wait", "x").unwrap_err();
        let refusal = Refusal::of(&error).unwrap();
        assert_eq!(refusal.exit, Exit::TimedOut);
        assert!(refusal.reason.as_ref().unwrap().contains("bus claim A"));
        assert!(refusal.next[1].contains("lock.wait"));
        drop(held);
        assert!(!is_held(&path).unwrap());
        assert!(path.exists(), "lock files are never deleted");
    }

    #[test]
    fn a_waiter_gets_the_lock_when_the_holder_lets_go() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.lock");
        let held = FileLock::acquire(&path, Duration::ZERO, "lock.wait", "first").unwrap();
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || {
                FileLock::acquire(&path, Duration::from_secs(30), "lock.wait", "second").map(drop)
            })
        };
        drop(held);
        waiter.join().unwrap().unwrap();
    }
}
