//! Progress of running jobs, for commands that start them.

pub mod narrate;
