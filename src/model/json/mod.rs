//! Edits JSON documents that somebody else may have written, in place and in their own style.

pub mod edit;
pub mod spans;
pub(super) mod style;
