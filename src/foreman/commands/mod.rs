//! Commands that a run executes: whether they may run, in which order, and what they may not reach.

pub mod check;
pub(super) mod push_block;
pub(super) mod runner;
pub(super) mod suggestions;
pub(super) mod trust;
