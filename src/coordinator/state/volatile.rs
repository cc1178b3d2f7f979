//! Volatile state of one coordinator process, which the next one determines again. Never saved.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::config::Config;
use super::input::{How, LeftAs, Seat, Skipped};
use crate::base::Stamp;
use crate::guard::trust::Only;
use crate::seats::pool;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Volatile {
    /// `None` before the start and after the end: nothing is decided then.
    pub config: Option<Config>,
    /// Actions issued by this process without a known result.
    pub flying: BTreeSet<u64>,
    /// Counts results; an observation started before the last one may show finished work as open.
    pub results: u64,
    /// An observation is running.
    pub observing: bool,
    /// Another observation is needed.
    pub observe_again: bool,
    /// The next observation also queries the network.
    pub ask_remote: bool,
    /// The result of the last observation, while valid.
    pub seen: Option<Seen>,
    /// The tasks passed over by the last choice that matter when the process ends.
    pub passed: Vec<Skipped>,
    /// Those that do not matter then: a person skipped them, or somebody works on them.
    pub uncounted: Vec<Skipped>,
    /// The last reported end of waiting only for suspended agents.
    pub notified_wait: Option<Stamp>,
    /// What it last said that it waits for; `None` while it works.
    pub notified_idle: Option<String>,
    /// When another observation is needed because a file may still be being written.
    pub observe_after: Option<Stamp>,
    pub next_poll: Option<Stamp>,
    pub poll: Duration,
    /// Runs that this process started or saw alive.
    pub alive: BTreeSet<String>,
    /// Runs with a frozen worker: stopped, without counting as a failure.
    pub frozen: BTreeSet<String>,
    /// How each worker was already asked to stop.
    pub notified_workers: BTreeMap<String, How>,
    /// Tokens and US dollars that running workers report while they work.
    pub using: BTreeMap<String, (u64, f64)>,
    /// The day's budget was passed while agents worked: their calls are stopped.
    pub over_budget: bool,
    /// Jobs chosen by this process, without those whose assignment was refused.
    pub chosen: u64,
    /// The number of the newest job before this process.
    pub last_job_before: u64,
    /// The requested termination, if any.
    pub termination: Option<How>,
    /// When a termination at the end of the stages no longer waits for them.
    pub stop_by: Option<Stamp>,
    /// The time of the last input, to notice a clock that was set back.
    pub last_now: Option<Stamp>,
    /// When the record commit may be retried after a refusal.
    pub commit_after: Option<Stamp>,
}

impl Volatile {
    /// Whether the last choice passed over a task that counts as `left`.
    pub fn has_left(&self, left: LeftAs) -> bool {
        self.passed.iter().any(|passed| passed.left == left)
    }
}

/// The part of the last observation that later decisions need.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Seen {
    /// Why nothing may start unattended: consent, trust.
    pub stop: Option<String>,
    /// Nothing could be read.
    pub unreadable: bool,
    /// Why the consent allows no new jobs.
    pub no_choice: Option<String>,
    /// A finding of high severity or a moved target, because of which nothing new is chosen.
    pub danger: Option<String>,
    /// Which disk has too little room, because of which no job starts.
    pub no_room: Option<String>,
    /// How many jobs the current consent allows; `None`: unlimited.
    pub most: Option<u64>,
    /// The only work that it covers; `None`: all work.
    pub only: Option<Only>,
    pub holds: BTreeSet<String>,
    pub seats: Vec<Seat>,
    pub seat_names: BTreeSet<String>,
}

impl Seen {
    /// Whether jobs may go to the seat: it works, or it is one that the coordinator makes.
    pub fn is_worker(&self, seat: &str) -> bool {
        self.seats.iter().any(|known| known.id == seat) || self.is_made(seat)
    }

    /// Whether it is a seat without a manifest that the coordinator makes.
    pub fn is_made(&self, seat: &str) -> bool {
        pool::is_made(seat) && !self.seat_names.contains(seat)
    }
}
