//! Where things are: the hub's root and pin, its paths, git and settings; and the one way to change the record.
//!
//! Knows files and locks, not what a claim or a plan means (watermarks look at a claim's epoch, nothing else).

pub mod format;
pub mod git;
pub mod locate;
pub mod output;
pub mod partial;
pub mod paths;
pub mod pin;
mod root;
pub mod rule_files;
pub mod settings;
pub mod transaction;
pub mod watch;
pub mod worktrees;

pub use git::tracked::Tracked;
pub use locate::Worktree;
pub use pin::Pin;
pub use root::Hub;
pub use settings::Settings;
pub use transaction::Transaction;
pub use transaction::repair::Repair;
pub use transaction::requests::Request;
pub use transaction::watermarks::Watermarks;
pub use transaction::writer::Writer;
