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

    /// Does what may start children of this process and wait for them: until it is done, nobody looks at the tree of a
    /// supervised program. For short work.
    pub fn unseen<T>(&self, work: impl FnOnce() -> T) -> T {
        let _running = self.running();
        work()
    }

    /// Lists a process that this one does not wait for, until what is returned is dropped.
    pub(in crate::exec) fn list(&self, pid: i32) -> Listed {
        self.running().insert(pid);
        Listed(self.clone(), pid)
    }
}

/// See [`Beside::list`].
pub(in crate::exec) struct Listed(Beside, i32);

impl Drop for Listed {
    fn drop(&mut self) {
        self.0.running().remove(&self.1);
    }
}
