//! Checks that can stop: on a worker's result, on what enters the record, on the whole tree.
//!
//! A guard looks and reports; it changes nothing but its own log, and `trust` keeps what a person
//! granted. Nothing of what it looks at is executed, and no text found there is obeyed.

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
