//! Calls agents: resolves roles, builds prompts, reads answers, handles failed calls.

pub(super) mod conversation;
pub mod notes;
mod observer;
pub(super) mod prompts;
pub(super) mod request;
pub(super) mod roles;
pub mod trial;

pub use observer::{RAW_OUTPUT, one_line};
