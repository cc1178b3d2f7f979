//! Waits for what another process brings about.

use std::time::{Duration, Instant};

/// Longer than anything takes on a busy machine: a test that waits so long has failed.
const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until it happened; `what` says what is waited for.
pub fn until(what: &str, happened: impl FnMut() -> bool) {
    until_or(|| what.to_owned(), happened);
}

/// Like [`until`]; what is said when it never happens is found out only then.
pub fn until_or(what: impl Fn() -> String, mut happened: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < PATIENCE, "waited in vain: {}", what());
        std::thread::sleep(Duration::from_millis(5));
    }
}
