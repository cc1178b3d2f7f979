//! Work of other tools, read from their own files into the backlog.
//!
//! A reader per tool turns what it finds into [`foreign::Item`]s; [`apply`] merges them. Nothing of the other tool is
//! changed, and nothing that it says is executed.

mod apply;
mod backlog_md;
mod beads;
mod circles;
mod foreign;
mod github;
mod merge;
mod read;
mod symphony;
mod taskmaster;
mod taskwarrior;
mod vibe_kanban;

pub use apply::{Options, Report, import};
pub use circles::Circle;
pub use foreign::Tool;
pub use merge::Change;
