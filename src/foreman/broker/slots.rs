//! Limits how many commands run at once.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

pub struct Slots {
    free: Mutex<usize>,
    freed: Condvar,
}

/// The right to run a command, until it is dropped.
pub struct Slot<'a>(&'a Slots);

impl Slots {
    pub fn new(number: usize) -> Slots {
        Slots { free: Mutex::new(number), freed: Condvar::new() }
    }

    /// Waits for a free slot; `None` when the time is over.
    pub fn take(&self, patience: Duration) -> Option<Slot<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_timeout_while(free, patience, |free| *free == 0);
        let (mut free, _) = waited.unwrap_or_else(PoisonError::into_inner);
        (*free > 0).then(|| {
            *free -= 1;
            Slot(self)
        })
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        *self.0.free.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        self.0.freed.notify_one();
    }
}
