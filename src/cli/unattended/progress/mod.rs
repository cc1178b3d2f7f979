//! Prints the progress of running jobs.

pub mod follow;
pub mod log;
pub mod narrate;
