//! What pages are made of.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::base::Result;
use crate::board::Snapshot;
use crate::faces::web::commands::Commands;
use crate::hub::Hub;

#[derive(Clone, Copy)]
pub struct View<'s> {
    pub snapshot: &'s Snapshot,
    pub hub: &'s Hub,
    pub commands: &'s Commands,
    pub diffs: &'s DiffCache,
    /// The secret of forms.
    pub form: &'s str,
    /// Who decides, and how they were recognised.
    pub operator: &'s str,
}

/// How many diffs are remembered: an open page asks again and again.
const REMEMBERED: usize = 6;

/// Rendered diffs by commit.
#[derive(Default)]
pub struct DiffCache(Mutex<Vec<(String, Arc<Rendered>)>>);

/// A diff as HTML.
pub struct Rendered {
    pub html: String,
    /// An added secret is hidden in it.
    pub adds_secret: bool,
}

impl DiffCache {
    /// The diff of `key`, made by `make` unless it is known.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get(&self, key: &str, make: impl FnOnce() -> Result<Rendered>) -> Result<Arc<Rendered>> {
        let known = self.known().iter().find(|(of, _)| of == key).map(|(_, html)| Arc::clone(html));
        if let Some(html) = known {
            self.put(key, &html);
            return Ok(html);
        }
        // Without the lock: git may take a while, and other pages have diffs of their own.
        let html = Arc::new(make()?);
        self.put(key, &html);
        Ok(html)
    }

    /// The one that was asked for last stands first, so that it is forgotten last.
    fn put(&self, key: &str, html: &Arc<Rendered>) {
        let mut known = self.known();
        known.retain(|(of, _)| of != key);
        known.truncate(REMEMBERED - 1);
        known.insert(0, (key.to_owned(), Arc::clone(html)));
    }

    fn known(&self) -> MutexGuard<'_, Vec<(String, Arc<Rendered>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
