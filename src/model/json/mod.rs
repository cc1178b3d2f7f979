//! JSON documents that somebody else may have written: edited in place, in their own style.

pub mod edit;
pub mod spans;
pub(super) mod style;
