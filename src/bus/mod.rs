//! The bus: claims, assignments, the event log and the message channels under `_bus/`.
//!
//! This module stores them. `claim_rules` decides who may have a task; higher modules decide who may write. No
//! decision here depends on another store (plans, receipts, seats).

pub mod activity;
pub mod assignments;
mod cache;
pub mod claim_rules;
pub mod claims;
mod documents;
pub mod events;
pub mod holds;
mod line;
pub mod log;
pub mod messages;
mod summary;
pub mod watch;

pub use documents::{Damaged, Listing};
pub use line::{MAX_TEXT, check_length, check_text};

#[cfg(test)]
pub mod testing {
    use crate::base::Clock;
    use crate::hub::{Hub, paths};

    /// A fresh repository with the record's folders.
    pub fn repository() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let init = std::process::Command::new("git").args(["init", "-q", "-b", "main"]).arg(dir.path()).status();
        assert!(init.unwrap().success());
        for folder in paths::OWNED {
            std::fs::create_dir(dir.path().join(folder)).unwrap();
        }
        let hub = Hub::find(Some(dir.path()), Clock::Machine).unwrap();
        (dir, hub)
    }
}
