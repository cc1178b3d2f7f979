//! The ground floor: clock, environment, locks, atomic files, JSON lines, digests, safe text.
//!
//! Knows nothing of claims, plans or git. May not import any other room.

pub mod digest;
pub mod disk;
pub mod env;
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

pub use refusal::{Exit, Refusal};
pub use time::{Clock, Stamp};

/// Every fallible function of the crate: an [`anyhow::Error`] that may carry a [`Refusal`].
///
/// An error with a [`Refusal`] in its chain is an answer to the user; one without is a fault of
/// ours or of the machine, and ends with exit code 70.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;
