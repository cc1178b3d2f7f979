//! The bus: claims, assignments, the event log and the channels of messages under `_bus/`.
//!
//! Knows how each is stored; who may have a task is decided in `claim_rules`, who may write to it above.
//! Nothing here decides by what another store (plans, receipts, seats) holds.

pub mod activity;
pub mod assignments;
pub mod claim_rules;
pub mod claims;
mod documents;
pub mod events;
pub mod holds;
mod line;
pub mod messages;

pub use documents::{Damaged, Listing};
pub use line::{check_length, check_text};
