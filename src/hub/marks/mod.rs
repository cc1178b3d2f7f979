//! High-water marks: what this machine acknowledged of the record, kept outside the tree.

pub(in crate::hub) mod documents;
mod file_state;
pub mod watermarks;

pub(in crate::hub) use file_state::FileState;
pub use watermarks::Watermarks;
