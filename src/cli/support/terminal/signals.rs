//! Keeps signals from ending the process for a while, and then lets them end it again.
//!
//! Where `signal_hook` once installed a handler, the system's default action never comes back, even after the handler
//! is unregistered. So the default action is a handler too, which is switched off for that while.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// For each signal that was ever held, whether its default action is on.
static DEFAULTS: Mutex<BTreeMap<i32, Arc<AtomicBool>>> = Mutex::new(BTreeMap::new());

/// Lets the signals end the process again when it is dropped.
#[must_use]
pub struct Held(Vec<Arc<AtomicBool>>);

/// Keeps `signals` from ending the process while the returned value lives. Programs that are started meanwhile do not
/// inherit this. A signal that cannot be held still ends the process.
pub fn hold(signals: &[i32]) -> Held {
    let mut defaults = DEFAULTS.lock().unwrap_or_else(PoisonError::into_inner);
    let held = signals.iter().filter_map(|&signal| {
        let is_on = match defaults.entry(signal) {
            Entry::Occupied(known) => Arc::clone(known.get()),
            Entry::Vacant(first) => {
                let is_on = Arc::new(AtomicBool::new(false));
                signal_hook::flag::register_conditional_default(signal, Arc::clone(&is_on)).ok()?;
                Arc::clone(first.insert(is_on))
            }
        };
        is_on.store(false, Ordering::SeqCst);
        Some(is_on)
    });
    Held(held.collect())
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.iter().for_each(|is_on| is_on.store(true, Ordering::SeqCst));
    }
}
