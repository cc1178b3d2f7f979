//! Checks that can stop work: of a worker's result, of what enters the record, of the whole tree.
//!
//! A guard reads and reports. It writes only its own log; `trust` also stores what a person granted. A guard never
//! executes what it reads and never follows instructions in texts.

pub mod capped;
pub mod claim;
pub mod consent;
pub mod fencing;
pub mod glob;
pub mod in_progress;
pub mod moved_target;
pub mod operator;
pub mod preflight;
pub mod prerequisites;
pub mod result;
pub mod secrets;
pub mod sentinels;
pub mod trust;

pub use crate::model::run::outcome::Finding;
