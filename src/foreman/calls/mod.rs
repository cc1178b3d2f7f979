//! Calls of agents: who plays a role, what is asked, what comes back, and what a failed call leaves.

pub(super) mod answer;
pub(super) mod conversation;
pub(super) mod failure;
pub(super) mod invoke;
pub(super) mod prompts;
pub mod question;
pub(super) mod roles;
pub(super) mod unfinished;
