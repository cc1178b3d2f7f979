//! Notices that the clock was set, or that the machine slept.
//!
//! What measures how long something takes uses the monotonic clock; what names a moment (a lease's end, the next try)
//! uses the wall clock. This compares the two, so that the loop can look at everything again when they part.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};

use crate::base::{Clock, Stamp, time};

/// A smaller difference is a correction as time servers make it.
const NOTABLE: Duration = Duration::from_secs(30);

/// All clocks at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    wall: Stamp,
    /// Stands still while the machine sleeps.
    running: Duration,
    /// Goes on while it sleeps; elsewhere than on Linux the same as `running`.
    elapsed: Duration,
}

impl Reading {
    /// `None` with a fixed clock, which never agrees with the others.
    pub fn now(clock: Clock) -> Option<Reading> {
        match clock {
            Clock::Fixed(_) => None,
            Clock::Machine => Some(Reading {
                wall: clock.now(),
                running: read(ClockId::Monotonic),
                #[cfg(target_os = "linux")]
                elapsed: read(ClockId::Boottime),
                #[cfg(not(target_os = "linux"))]
                elapsed: read(ClockId::Monotonic),
            }),
        }
    }
}

fn read(clock: ClockId) -> Duration {
    let at = clock_gettime(clock);
    Duration::new(at.tv_sec.max(0).cast_unsigned(), u32::try_from(at.tv_nsec).unwrap_or_default())
}

/// Microseconds of the monotonic clock, as systemd compares them.
pub fn monotonic_micros() -> u128 {
    read(ClockId::Monotonic).as_micros()
}

/// The wall clock was set, or the machine slept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Jump {
    pub at: Stamp,
    /// By how much the clock was set: negative when it was set back.
    pub set_seconds: i64,
    /// How long the machine slept.
    pub slept_seconds: u64,
}

impl Jump {
    /// For people: `the machine slept for 2h`.
    pub fn describe(&self) -> String {
        let span = |seconds: u64| time::duration(Duration::from_secs(seconds));
        let set = match self.set_seconds {
            0 => None,
            back @ ..0 => Some(format!("the clock was set back by {}", span(back.unsigned_abs()))),
            ahead => Some(format!("the clock was set ahead by {}", span(ahead.unsigned_abs()))),
        };
        let slept = (self.slept_seconds > 0).then(|| format!("the machine slept for {}", span(self.slept_seconds)));
        [slept, set].into_iter().flatten().collect::<Vec<_>>().join(", and ")
    }
}

/// What happened to the clocks between two readings; `None` when they agree.
pub fn jump(before: Reading, after: Reading) -> Option<Jump> {
    let elapsed = after.elapsed.saturating_sub(before.elapsed);
    let slept = elapsed.saturating_sub(after.running.saturating_sub(before.running));
    let set = after.wall.unix() - before.wall.unix() - i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
    let is_notable = |seconds: u64| seconds >= NOTABLE.as_secs();
    let jump = Jump {
        at: after.wall,
        set_seconds: if is_notable(set.unsigned_abs()) { set } else { 0 },
        slept_seconds: if is_notable(slept.as_secs()) { slept.as_secs() } else { 0 },
    };
    (jump.set_seconds != 0 || jump.slept_seconds != 0).then_some(jump)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(wall: i64, running: u64, elapsed: u64) -> Option<String> {
        let reading = |wall, running, elapsed| Reading {
            wall: Stamp::from_unix(1_000_000 + wall),
            running: Duration::from_secs(100 + running),
            elapsed: Duration::from_secs(500 + elapsed),
        };
        jump(reading(0, 0, 0), reading(wall, running, elapsed)).map(|jump| jump.describe())
    }

    #[test]
    fn sleep_and_a_clock_that_is_set_are_told_apart() {
        assert_eq!(after(600, 600, 600), None);
        assert_eq!(after(605, 600, 600), None, "a correction");
        assert_eq!(after(7210, 10, 7210).unwrap(), "the machine slept for 2h 00m");
        assert_eq!(after(-3590, 10, 10).unwrap(), "the clock was set back by 1h 00m");
        assert_eq!(after(3610, 10, 10).unwrap(), "the clock was set ahead by 1h 00m");
        let both = "the machine slept for 2h 00m, and the clock was set ahead by 1h 00m";
        assert_eq!(after(10_810, 10, 7210).unwrap(), both);
    }

    #[test]
    fn this_machines_clocks_agree_now() {
        let first = Reading::now(Clock::Machine).unwrap();
        assert_eq!(jump(first, Reading::now(Clock::Machine).unwrap()), None);
        assert!(Reading::now(Clock::Fixed(Stamp::from_unix(0))).is_none());
    }
}
