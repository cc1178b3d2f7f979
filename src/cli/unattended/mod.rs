//! Commands for unattended work: the coordinator and what it may do.

pub(super) mod conductor;
pub(super) mod consent;
pub(super) mod coordinator;
pub(super) mod foreman;
pub(super) mod metrics;
pub(super) mod notify;
pub(super) mod progress;
pub(super) mod report;
pub(super) mod service;
pub(super) mod worktree;
