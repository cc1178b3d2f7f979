//! Commands that a run executes: which may run, in which order, and what they cannot reach.

pub mod check;
pub mod executor;
mod outside;
pub(super) mod push_block;
pub(super) mod runner;
mod spec;
pub(super) mod targets;
pub mod terminals;
