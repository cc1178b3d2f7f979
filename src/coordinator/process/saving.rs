//! When the state and its projection were saved last, and since when saving fails.

use std::time::{Duration, Instant};

use crate::coordinator::state::store::Store;

/// When the state could not be saved, it is tried again after so long.
pub(super) const AGAIN: Duration = Duration::from_secs(5);
/// A run that is to end by itself waits so long for a state that can be saved.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// While much happens, the projection is written no more often.
pub(super) const PROJECTION_EVERY: Duration = Duration::from_millis(500);

#[derive(Default)]
pub(super) struct Saving {
    pub store: Store,
    /// When projection and metrics were written last, and whether they lack what was saved since.
    pub projected: Option<Instant>,
    pub is_outdated: bool,
    /// Since when the state cannot be saved: nothing is performed until it is.
    pub failing_since: Option<Instant>,
}

impl Saving {
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
