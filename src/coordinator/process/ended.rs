//! How a coordinator process ended: the reason, and what it did not start.

use crate::coordinator::state::input::{Leave, LeftAs, Skipped};
use crate::coordinator::state::{Pending, State};

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    pub leave: Leave,
    /// Why it ended before everything was done.
    pub why: Option<String>,
    /// The tasks passed over by the last choice, if they matter.
    pub passed: Vec<Skipped>,
    /// The others that it passed over: somebody works on them, they depend on other work, or a person excluded them.
    pub uncounted: Vec<Skipped>,
    /// The record has changed since it was last committed.
    pub is_uncommitted: bool,
    /// Why something could not be written, the last time: the next process completes it.
    pub unwritten: Option<String>,
}

impl Ended {
    pub(super) fn of(state: State, leave: Leave, unwritten: Option<String>) -> Ended {
        let State { volatile, breaker, paused, pending, unrecorded_since, .. } = state;
        let seen = volatile.seen.unwrap_or_default();
        let not_allowed = || volatile.passed.iter().find(|passed| passed.left == LeftAs::NotAllowed);
        let why = match leave {
            Leave::NoConsent => seen.stop.or(seen.no_choice).or_else(|| not_allowed().map(|found| found.why.clone())),
            Leave::Finding => seen.danger,
            Leave::Breaker => breaker.open.map(|trip| trip.reason),
            Leave::Stuck => pending.into_iter().find(Pending::is_stuck).and_then(|pending| pending.why),
            Leave::Idle => paused.map(|word| format!("paused by {}; continue with: teof coordinator resume", word.by)),
            Leave::MaxJobs | Leave::Stopped | Leave::TimeOver | Leave::Unreadable => None,
        };
        let (passed, uncounted) = (volatile.passed, volatile.uncounted);
        Ended { leave, why, passed, uncounted, is_uncommitted: unrecorded_since.is_some(), unwritten }
    }
}
