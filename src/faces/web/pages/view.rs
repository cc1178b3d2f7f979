//! What pages are made of.

use std::sync::{Arc, Mutex, PoisonError};

use crate::base::Result;
use crate::board::Snapshot;
use crate::faces::web::acts::Acts;
use crate::hub::Hub;

#[derive(Clone, Copy)]
pub struct View<'s> {
    pub snapshot: &'s Snapshot,
    pub hub: &'s Hub,
    pub acts: &'s Acts,
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
pub struct DiffCache(Mutex<Vec<(String, Arc<str>)>>);

impl DiffCache {
    /// The diff of `key`, made by `make` unless it is known.
    ///
    /// # Errors
    /// Those of `make`.
    pub fn get(&self, key: &str, make: impl FnOnce() -> Result<String>) -> Result<Arc<str>> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, html)) = known.iter().find(|(of, _)| of == key) {
            return Ok(Arc::clone(html));
        }
        let html: Arc<str> = make()?.into();
        known.truncate(REMEMBERED - 1);
        known.insert(0, (key.to_owned(), Arc::clone(&html)));
        Ok(html)
    }
}
