//! Calls of agents: role resolution, prompts, answers, and what follows a call that failed.

pub(super) mod answer;
pub(super) mod conversation;
pub(super) mod failure;
pub(super) mod invoke;
pub(super) mod prompts;
pub mod question;
pub(super) mod roles;
pub(super) mod unfinished;
