//! Claim operations: each is one transaction over claims, events, plans and the backlog.

pub mod assign;
pub mod claim;
pub mod exclusive;
pub mod held;
pub mod known;
pub(super) mod mirror;
pub mod pickup;
pub(super) mod prerequisites;
pub mod release;
pub mod renew;
pub mod seed;
pub mod takeover;
