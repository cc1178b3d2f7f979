//! Checks that can block: of a worker's result, of what enters the record, of the whole tree.
//!
//! A guard reads and reports; it changes nothing but its own log, except that `trust` stores what a person granted.
//! Nothing that a guard reads is executed, and instructions in texts are not followed.

pub mod capped;
pub mod claim;
pub mod consent;
pub mod fencing;
pub mod glob;
pub mod moved_target;
pub mod operator;
pub mod preflight;
pub mod prerequisites;
pub mod result;
pub mod secrets;
pub mod sentinels;
pub mod trust;

pub use crate::model::run::outcome::Finding;
