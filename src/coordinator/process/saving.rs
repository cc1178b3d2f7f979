//! Tracks when the state and its projection were last saved, and since when saving fails.

use std::time::{Duration, Instant};

use crate::base::Result;
use crate::coordinator::metrics::Recent;
use crate::coordinator::state::State;
use crate::coordinator::state::store::Store;
use crate::hub::Hub;

/// Wait before saving is retried.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// How long an ending run waits until the state can be saved.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Minimum time between two projections.
pub(super) const PROJECTION_EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Saving {
    pub store: Store,
    /// The state may have changed since it was last saved.
    pub is_due: bool,
    /// When projection and metrics were last written, and whether newer state was saved since.
    pub projected: Option<Instant>,
    pub is_outdated: bool,
    /// What the metrics are read from.
    pub recent: Recent,
    /// Since when the state cannot be saved; nothing is performed until it can.
    pub failing_since: Option<Instant>,
}

impl Saving {
    /// Saves the state if it may have changed. Writing down a state, if only to compare it, takes time with its size.
    pub fn save(&mut self, hub: &Hub, state: &State) -> Result<()> {
        if self.is_due {
            self.store.save(hub, state)?;
            self.is_due = false;
        }
        Ok(())
    }

    pub fn has_failed_for(&self, patience: Duration, now: Instant) -> bool {
        self.failing_since.is_some_and(|since| now.saturating_duration_since(since) >= patience)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_cannot_be_saved_is_waited_for_half_a_minute() {
        let start = Instant::now();
        let saving = Saving { failing_since: Some(start), ..Saving::default() };
        assert!(!saving.has_failed_for(PATIENCE, start + Duration::from_secs(25)));
        assert!(saving.has_failed_for(PATIENCE, start + Duration::from_secs(30)));
        assert!(!Saving::default().has_failed_for(PATIENCE, start + Duration::from_secs(90)));
    }
}
