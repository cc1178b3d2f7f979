//! What threads send to the coordinator's loop: changes on disk, ended workers, signals.

use std::path::PathBuf;

use super::state::input::Reply;

/// What the other threads send.
#[derive(Debug)]
pub enum Message {
    Changed(Vec<(What, PathBuf)>),
    /// The system lost change notifications: check everything.
    Overflow,
    /// A worker's process has ended, or its lock is free.
    Ended(String),
    /// The result of an action that ran beside the loop.
    Done {
        id: u64,
        reply: Reply,
    },
    Signal,
    /// A notification was delivered, or why not.
    Notified {
        action: u64,
        to: String,
        failed: Option<String>,
    },
    /// SIGHUP.
    HangUp,
}

/// What changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum What {
    /// Work, claims, holds, seats, consent, trust.
    World,
    /// `teof.toml`.
    Settings,
    /// A worker's outcome.
    Runs,
    Inbox,
    /// A watched folder, or its parent, was created or removed.
    Folders,
}
