//! What the coordinator's work comes to: jobs, how long their stages take, waiting, seats, usage.
//!
//! [`runs`] reads the envelopes, once for everybody who asks; [`Metrics`] adds them up; [`prometheus`] prints them with
//! the coordinator's counters.

pub mod prometheus;
pub mod runs;
mod summary;

pub use summary::{DAYS, Jobs, Metrics, SeatUse, Times};

use std::time::Duration;

use crate::hub::Hub;

/// The metrics of the last [`DAYS`], with what was read for them.
#[derive(Debug, Default)]
pub struct Recent {
    runs: runs::Runs,
}

impl Recent {
    /// Reads the envelopes that are new.
    pub fn read(&mut self, hub: &Hub) -> Metrics {
        let since = hub.now().minus(Duration::from_secs(DAYS * 24 * 3600));
        summary::of(&self.runs.since(hub, since))
    }
}
