//! Whether a file may have changed since it was last looked at.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;

use serde::{Deserialize, Serialize};

/// A file that changed so recently, in nanoseconds, may change again and show the same time. Clocks of file systems
/// tick every few milliseconds, or every second or two where they have no smaller unit.
const RECENT: i128 = 100_000_000;
const RECENT_WHOLE_SECONDS: i128 = 2_000_000_000;

/// A file's inode, size, and seconds and nanoseconds of the last writing and of the last change, which nobody can set.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fingerprint([i64; 6]);

impl Fingerprint {
    pub fn of(file: &Metadata) -> Fingerprint {
        let (inode, size) = (file.ino().cast_signed(), file.size().cast_signed());
        Fingerprint([inode, size, file.mtime(), file.mtime_nsec(), file.ctime(), file.ctime_nsec()])
    }

    /// Whether every change after `at`, in nanoseconds since 1970, would show in another fingerprint.
    pub fn is_settled(&self, at: i128) -> bool {
        let [_, _, times @ ..] = self.0;
        times.chunks(2).all(|time| {
            let [seconds, nanoseconds] = [time[0], time[1]].map(i128::from);
            let recent = if nanoseconds == 0 { RECENT_WHOLE_SECONDS } else { RECENT };
            at - (seconds * 1_000_000_000 + nanoseconds) > recent
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn file_systems_without_small_units_are_waited_for() {
        let at = |seconds, nanoseconds| Fingerprint([1, 2, seconds, nanoseconds, seconds, nanoseconds]);
        assert!(at(10, 5).is_settled(10_100_000_006) && !at(10, 5).is_settled(10_100_000_005));
        assert!(at(10, 0).is_settled(12_000_000_001) && !at(10, 0).is_settled(12_000_000_000));
        // A time in the future: the clock was set back.
        assert!(!at(20, 5).is_settled(12_000_000_001));
    }
}
