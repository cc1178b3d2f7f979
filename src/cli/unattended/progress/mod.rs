//! Prints the progress of running jobs.

pub mod follow;
pub mod narrate;
