//! The hub: root and pin, paths, git, settings, and the only way to change the record.
//!
//! Handles files and locks, not the meaning of a claim or a plan (watermarks read only a claim's epoch).

pub mod format;
pub mod git;
pub mod locate;
pub mod marks;
pub mod output;
pub mod paths;
pub mod pin;
pub mod repository;
mod root;
pub mod rule_files;
pub mod settings;
pub mod transaction;
pub mod watch;
pub mod worktrees;

pub use git::tracked::Tracked;
pub use locate::Worktree;
pub use marks::Watermarks;
pub use pin::Pin;
pub use root::Hub;
pub use settings::Settings;
pub use transaction::Transaction;
pub use transaction::repair::Repair;
pub use transaction::requests::Request;
pub use transaction::writer::Writer;
