//! Progress of running jobs: what their workers' logs say, and the printers of it.

pub mod follow;
pub mod narrate;
pub mod worker_log;
