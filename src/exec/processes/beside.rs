//! The children of this process that run next to a supervised program and do not belong to its tree.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Their pids. All copies are one list.
#[derive(Clone, Debug, Default)]
pub struct Beside(Arc<Mutex<HashSet<i32>>>);

impl Beside {
    /// The list, locked while such a child starts or is reaped.
    pub(in crate::exec) fn running(&self) -> MutexGuard<'_, HashSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
