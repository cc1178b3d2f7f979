//! Commands that a run executes: which may run, in which order, and what they cannot reach.

pub mod check;
pub mod executor;
pub(super) mod push_block;
pub(super) mod runner;
mod spec;
pub mod terminals;
