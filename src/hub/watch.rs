//! Waits for file changes instead of polling.
//!
//! A wake-up only says that something may have changed: whoever waits looks for itself, and looks
//! again after a while even when nothing was told (a network file system, an exhausted watch limit).

use std::path::Path;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};

/// Changes that come together are one: editors and our own transactions touch several files.
const TOGETHER: Duration = Duration::from_millis(20);

pub struct Watch {
    changes: Receiver<()>,
    /// Kept so that the channel stays open even when nothing could be watched.
    _sender: Sender<()>,
    _watcher: Option<RecommendedWatcher>,
}

impl Watch {
    /// Watches folders, not what lies in their sub-folders; those that do not exist are passed over.
    /// Where nothing can be watched, [`Watch::wait`] is a plain wait.
    pub fn on<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Watch {
        let (sender, changes) = mpsc::channel();
        let tell = sender.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.map_or(true, |event| changes_something(&event.kind)) {
                let _ = tell.send(());
            }
        });
        let watcher = watcher.map(|mut watcher| {
            for folder in folders.into_iter().filter(|folder| folder.is_dir()) {
                if let Err(e) = watcher.watch(folder, RecursiveMode::NonRecursive) {
                    tracing::warn!("{} is not watched, it is looked at now and then: {e}", folder.display());
                }
            }
            watcher
        });
        let watcher = watcher.inspect_err(|e| tracing::warn!("files are not watched: {e}")).ok();
        Watch { changes, _sender: sender, _watcher: watcher }
    }

    /// Waits for a change, at most so long. Changes since the last wait count.
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

/// Reading is told too, and would wake the reader itself for ever.
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
