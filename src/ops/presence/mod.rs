//! Presence: which managers and agents are at work, what they hold, and which seats are retired.
//!
//! [`heartbeat`] is the decision, pure. [`observe`] reads what it decides on; [`status`], [`alert`] and [`report`]
//! show and record the result.

pub mod alert;
pub mod heartbeat;
pub mod observe;
pub mod report;
pub mod retirement;
pub mod seats;
pub mod status;
