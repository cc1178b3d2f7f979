//! Seats: an agent's identity (its manifest) and whether its session is fresh.
//!
//! This store owns the manifests in the worktree and in the hub, and the session files under
//! `_report/session/<id>/`. It does not know claims, events or plans. It writes into a transaction of the caller, or
//! a line to the seat's own guard log.

pub mod editing;
pub mod freshness;
pub mod handoffs;
mod identity;
pub mod known;
pub mod managers;
pub mod manifest;
pub mod pool;
pub mod retired;
pub mod saved;
pub mod session;
pub mod swap;

pub use identity::{named, resolve};
pub use manifest::Manifest;

#[cfg(test)]
mod testing {
    use std::process::Command;

    use crate::base::Clock;
    use crate::hub::{Hub, paths};

    /// A repository with the record's folders, and its hub.
    pub fn repository() -> (tempfile::TempDir, Hub) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap().join("repo");
        assert!(Command::new("git").args(["init", "-q", "-b", "main"]).arg(&root).status().unwrap().success());
        for folder in paths::OWNED {
            std::fs::create_dir(root.join(folder)).unwrap();
        }
        let hub = Hub::find(Some(&root), Clock::Machine).unwrap();
        (dir, hub)
    }

    pub fn write(hub: &Hub, relative: &str, text: &str) {
        let path = hub.root.join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}
