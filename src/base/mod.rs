//! The lowest layer: clock, environment, locks, atomic files, JSON lines, digests, safe text.
//!
//! Independent of claims, plans and git: imports no other module.

pub mod digest;
pub mod disk;
pub mod env;
#[cfg(test)]
pub mod eventually;
pub mod files;
pub mod json;
pub mod jsonl;
pub mod lock;
pub mod names;
pub mod parallel;
pub mod quote;
pub mod refusal;
pub mod text;
pub mod time;

pub use refusal::{Exit, Refusal, Result};
pub use time::{Clock, Stamp};
