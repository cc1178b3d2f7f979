//! Advisory locks on files that teof never deletes.
//!
//! The lock is the standard library's (`flock` on Linux): it belongs to the open file, so the kernel releases it when
//! the process dies. The holder's description is written into the file for people; no decision depends on it. A lock
//! file is never opened through a link, and a lock on a file that somebody deleted or replaced does not count as
//! taken.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::Context;

use super::{Exit, Refusal, Result, files, text};

/// How often a lock is retried while only probes hold it or its file was replaced: first at once, then with a pause.
/// A probe holds it for microseconds, or longer on a busy machine.
const ATTEMPTS: usize = 2000;
const AT_ONCE: usize = 50;
const PAUSE: Duration = Duration::from_millis(1);

/// An exclusive lock, held until dropped.
#[derive(Debug)]
pub struct FileLock {
    file: File,
    path: PathBuf,
}

impl FileLock {
    /// Takes the lock, waiting at most `wait`.
    ///
    /// The wait is a blocking lock in a helper thread: no polling, no lost wake-up. On timeout, the refusal (exit 5)
    /// names the file, the holder, and `setting`, which sets the wait.
    pub fn acquire(path: &Path, wait: Duration, setting: &str, what: &str) -> Result<FileLock> {
        let until = Instant::now() + wait;
        if let Some(file) = attempt(path)? {
            return Self::taken(file, path, what);
        }
        loop {
            let file = wait_for(open(path)?, until.saturating_duration_since(Instant::now()));
            let file = file.with_context(|| format!("lock {}", path.display()))?;
            match file {
                Some(file) if is_at(&file, path)? => return Self::taken(file, path, what),
                // Deleted while we waited: the lock is another file now.
                Some(_) => {}
                None => return Err(timed_out(path, wait, setting).into()),
            }
        }
    }

    /// Takes the lock if it is free, else `None`.
    pub fn try_acquire(path: &Path, what: &str) -> Result<Option<FileLock>> {
        attempt(path)?.map(|file| Self::taken(file, path, what)).transpose()
    }

    /// Checks that the lock is still effective: its file still exists.
    ///
    /// # Errors
    /// `lock.deleted`: others may have taken another file of its name since.
    pub fn check(&self) -> Result<()> {
        if is_at(&self.file, &self.path)? {
            return Ok(());
        }
        Err(Refusal::guard("lock.deleted", format!("the lock file {} was deleted while held", self.path.display()))
            .because("another process may hold a new file of that name")
            .next("run the command again, and do not delete files in that folder")
            .into())
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
        // The note is optional; a full disk must not prevent locking.
        if let Err(e) = lock.describe(what) {
            tracing::debug!("cannot write the lock note: {e:#}");
        }
        Ok(lock)
    }
}

impl Drop for FileLock {
    /// Unlocks explicitly instead of relying on the last close: a child that another thread is just starting shares
    /// the open file until it execs.
    fn drop(&mut self) {
        let _ = self.file.unlock();
    }
}

/// Tries to take the lock once.
///
/// A probe ([`is_held`]) shares the lock for an instant and does not count as a holder.
fn attempt(path: &Path) -> Result<Option<File>> {
    let failed = |e| anyhow::Error::new(e).context(format!("lock {}", path.display()));
    for tried in 0..ATTEMPTS {
        let file = open(path)?;
        match file.try_lock() {
            Ok(()) if is_at(&file, path)? => return Ok(Some(file)),
            Ok(()) => continue,
            Err(TryLockError::WouldBlock) => {}
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        match file.try_lock_shared() {
            Ok(()) => file.unlock().map_err(failed)?,
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(failed(e)),
        }
        if tried < AT_ONCE { std::thread::yield_now() } else { std::thread::sleep(PAUSE) }
    }
    Ok(None)
}

/// Waits for the lock on an open file; `None` when the time is over.
fn wait_for(file: File, wait: Duration) -> std::io::Result<Option<File>> {
    let (send, receive) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let locked = file.lock();
        // If the waiting side has given up, the file is dropped here and the lock is released.
        let _ = send.send(locked.map(|()| file));
    })?;
    receive.recv_timeout(wait).map_or(Ok(None), |locked| locked.map(Some))
}

fn is_at(file: &File, path: &Path) -> Result<bool> {
    files::is_at(file, path).with_context(|| format!("look at {}", path.display()))
}

/// Whether some live process holds the lock. A file that does not exist is not held.
pub fn is_held(path: &Path) -> Result<bool> {
    let Some(file) = files::open_regular(path)? else { return Ok(false) };
    match file.try_lock_shared() {
        Ok(()) => {
            let _ = file.unlock();
            Ok(false)
        }
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(e)) => Err(e).with_context(|| format!("lock {}", path.display())),
    }
}

/// What the last holder wrote about itself, or who holds the lock if that is another process; for messages only.
pub fn holder(path: &Path) -> Option<String> {
    let mut note = String::new();
    let file = files::open_regular(path).ok()??;
    let holding = holding(&file);
    file.take(512).read_to_string(&mut note).ok()?;
    let note = text::safe(note.trim());
    let is_named = |pid: &u32| note.starts_with(&format!("pid {pid}:"));
    match holding {
        Some(pid) if !is_named(&pid) => {
            let program = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            Some(format!("pid {pid}: {}", text::safe(program.trim())))
        }
        _ => (!note.is_empty()).then_some(note),
    }
}

/// The process that took the lock, where `/proc/locks` shows it: not for a process of another container.
fn holding(file: &File) -> Option<u32> {
    let found = file.metadata().ok()?;
    let (major, minor) = (rustix::fs::major(found.dev()), rustix::fs::minor(found.dev()));
    let id = format!("{major:02x}:{minor:02x}:{}", found.ino());
    // `1: FLOCK  ADVISORY  WRITE 1234 08:01:5678 0 EOF`; a line of who waits has `->` after the number.
    let locks = std::fs::read_to_string("/proc/locks").ok()?;
    locks.lines().find_map(|line| match line.split_whitespace().collect::<Vec<_>>()[..] {
        [_, "FLOCK", _, "WRITE", pid, at, ..] if at == id => pid.parse().ok().filter(|pid| *pid > 0),
        _ => None,
    })
}

fn open(path: &Path) -> Result<File> {
    files::create_parent(path)?;
    files::open_own(path, OpenOptions::new().read(true).write(true).create(true).truncate(false))
}

fn timed_out(path: &Path, wait: Duration, setting: &str) -> Refusal {
    let holder = holder(path).unwrap_or_else(|| "another process".to_owned());
    Refusal::new(
        Exit::TimedOut,
        "lock.timeout",
        format!("lock {} still held after {}", path.display(), super::time::show_span(wait)),
    )
    .because(format!("held by {holder}"))
    .next("try again; nothing changed")
    .next(format!("or wait longer: raise {setting} in teof.toml"))
    .with("holder", holder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::eventually::eventually;

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
        // A text that names another process than the one that holds the lock.
        std::fs::write(&path, "pid 1: teof foreman\n").unwrap();
        let named = holder(&path).unwrap();
        assert!(!cfg!(target_os = "linux") || named.starts_with(&format!("pid {}: ", std::process::id())), "{named}");
        drop(held);
        assert!(eventually(|| !is_held(&path).unwrap()));
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

    #[test]
    fn a_probe_never_keeps_anybody_from_a_free_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.lock");
        drop(FileLock::try_acquire(&path, "first").unwrap().unwrap());
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    is_held(&path).unwrap();
                }
            });
            let taken = (0..500).all(|_| FileLock::try_acquire(&path, "x").unwrap().is_some());
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(taken);
        });
    }

    #[test]
    fn a_lock_whose_file_was_deleted_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bus.lock");
        let held = FileLock::try_acquire(&path, "first").unwrap().unwrap();
        held.check().unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(Refusal::of(&held.check().unwrap_err()).unwrap().code, "lock.deleted");
        let second = FileLock::try_acquire(&path, "second").unwrap().unwrap();
        assert!(held.check().is_err() && second.check().is_ok());
        // Whoever waited on the old file goes on to the new one.
        let waiter = {
            let path = path.clone();
            std::thread::spawn(move || FileLock::acquire(&path, Duration::from_secs(30), "lock.wait", "third"))
        };
        drop((held, second));
        waiter.join().unwrap().unwrap().check().unwrap();
    }
}
