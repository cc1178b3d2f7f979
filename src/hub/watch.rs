//! Waits for file changes instead of polling.
//!
//! A wake-up only means that something may have changed. Callers check for themselves, and check again after a while
//! even without a wake-up (network file systems, exhausted watch limits).

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventHandler, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::base::parallel;

/// Changes within this time count as one: editors and transactions touch several files.
const TOGETHER: Duration = Duration::from_millis(20);

pub struct Watch {
    changes: Receiver<()>,
    /// Keeps the channel open even when nothing can be watched.
    _sender: Sender<()>,
    _watcher: Option<RecommendedWatcher>,
}

/// A watcher of files. Its library starts a thread, and panics later if it could not.
///
/// # Errors
/// When nothing can be watched here.
pub fn watcher(tell: impl EventHandler) -> notify::Result<RecommendedWatcher> {
    parallel::can_start_thread().map_err(notify::Error::io)?;
    notify::recommended_watcher(tell)
}

impl Watch {
    /// Watches folders without their subfolders; missing folders are skipped. When nothing can be watched,
    /// [`Watch::wait`] just waits.
    pub fn on<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Watch {
        let (sender, changes) = mpsc::channel();
        let tell = sender.clone();
        let watcher = watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| changes_something(&event.kind)) {
                let _ = tell.send(());
            }
        });
        let watcher = watcher.map(|mut watcher| {
            for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
                if let Err(e) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::warn!("cannot watch {}, polling instead: {e}", folder.display());
                }
            }
            watcher
        });
        let watcher = watcher.inspect_err(|e| tracing::warn!("cannot watch files: {e}")).ok();
        Watch { changes, _sender: sender, _watcher: watcher }
    }

    /// Waits for a change, at most `at_most`. Changes since the last wait count.
    pub fn wait(&self, at_most: Duration) -> bool {
        match self.changes.recv_timeout(at_most) {
            Ok(()) => {
                while self.changes.recv_timeout(TOGETHER).is_ok() {}
                true
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => false,
        }
    }
}

/// Reads are reported, too, and would wake the reader again and again.
fn changes_something(kind: &EventKind) -> bool {
    !matches!(kind, EventKind::Access(access) if *access != AccessKind::Close(AccessMode::Write))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_wakes_and_reading_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("none");
        std::fs::write(dir.path().join("a"), "1").unwrap();
        let watch = Watch::on([dir.path(), missing.as_path()]);
        std::fs::read(dir.path().join("a")).unwrap();
        assert!(!watch.wait(Duration::from_millis(30)));
        std::fs::write(dir.path().join("a"), "2").unwrap();
        assert!(watch.wait(Duration::from_secs(30)));
    }
}
