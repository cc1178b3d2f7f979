//! For tests of what the kernel frees when the last copy of an open file is closed.

use std::time::{Duration, Instant};

/// Whether `holds` becomes true. A process that another test starts has a copy of every open file until it executes its
/// program.
pub fn eventually(mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(30) {
        if holds() {
            return true;
        }
        std::thread::yield_now();
    }
    false
}
