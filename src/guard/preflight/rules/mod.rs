//! The rules of preflight, one file per kind of document or log.

pub(super) mod appended;
pub(super) mod assignments;
pub(super) mod claims;
pub(super) mod documents;
pub(super) mod events;
pub(super) mod messages;
pub(super) mod named;
pub(super) mod orders;
pub(super) mod others;
pub(super) mod plans;
