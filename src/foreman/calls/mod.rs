//! Calls agents: resolves roles, builds prompts, reads answers, handles failed calls.

pub(super) mod answer;
pub(super) mod conversation;
pub(super) mod failure;
pub(super) mod invoke;
mod last_object;
pub mod notes;
mod observer;
pub(super) mod prompts;
pub mod question;
pub(super) mod request;
pub(super) mod roles;
pub(super) mod unfinished;

pub use invoke::RAW_OUTPUT;
pub use observer::one_line;
