//! Makes snapshots, and remembers what it has read.

use std::sync::Arc;

use super::cached::Cached;
use super::claims::Claims;
use super::coordination::{self, Coordination, Directives, Options};
use super::events::{Events, Known};
use super::history::Envelopes;
use super::jobs::Jobs;
use super::plans::Plans;
use super::problems::{self, Facts};
use super::review::Queue;
use super::runtime::Observer;
use super::seats::Seats;
use super::snapshot::{Parts, Snapshot};
use super::worktrees::Worktrees;
use crate::base::Result;
use crate::hub::Hub;

/// Reads a hub again and again.
#[derive(Default)]
pub struct Reader {
    jobs: Jobs,
    runtime: Observer,
    review: Queue,
    claims: Claims,
    plans: Plans,
    events: Events,
    seats: Seats,
    worktrees: Worktrees,
    history: Envelopes,
    directives: Cached<Directives>,
    revision: u64,
    /// What told a change of what has no file of its own.
    told: String,
}

impl Reader {
    pub fn new() -> Reader {
        Reader::default()
    }

    /// The snapshot of now. Use the same `hub` every time.
    ///
    /// # Errors
    /// When the coordinator's state, the settings or the record cannot be read. Single damaged files of the record are
    /// among [`Snapshot::unusable`].
    pub fn read(&mut self, hub: &Hub, parts: Parts) -> Result<Snapshot> {
        let (state, state_changed) = self.jobs.state(hub)?;
        let (jobs, live_changed) = self.jobs.read(hub, &state);
        let runtime = self.runtime.read(hub, &state)?;
        let mut is_changed = state_changed || live_changed;
        let mut note = |changed: bool| is_changed |= changed;
        let mut record = Record::default();
        if parts.record {
            let (claims, unusable, changed) = self.claims.read(hub)?;
            note(changed);
            let (plans, changed) = self.plans.read(hub);
            note(changed);
            let (events, changed) = self.events.read(hub)?;
            note(changed);
            let seats = self.seats.read(hub, &claims, &jobs, &events)?;
            record = Record { claims, unusable, plans, seats, events };
        }
        let mut review = Arc::default();
        if parts.review {
            let (queue, changed) = self.review.read(hub, &state, state_changed)?;
            note(changed);
            review = queue;
        }
        let mut history = Arc::default();
        if parts.history {
            let (found, changed) = self.history.read(hub);
            note(changed);
            history = found;
        }
        let mut worktrees = Arc::default();
        if parts.worktrees {
            worktrees = self.worktrees.read(hub, &state, state_changed)?;
        }
        let now = hub.now();
        let problems = problems::find(&Facts {
            now,
            runtime: &runtime,
            jobs: &jobs,
            review: &review,
            claims: &record.claims,
            unusable: &record.unusable,
        });
        let told = serde_json::to_string(&(&runtime, &record.seats, &worktrees)).unwrap_or_default();
        if is_changed || told != self.told {
            (self.revision, self.told) = (self.revision + 1, told);
        }
        Ok(Snapshot {
            generated_at: now,
            revision: self.revision,
            problems,
            runtime,
            jobs,
            review,
            claims: record.claims,
            unusable: record.unusable,
            plans: record.plans,
            seats: record.seats,
            worktrees,
            history,
            events: Arc::clone(&record.events.feed),
        })
    }

    /// The coordination snapshot of now. Use the same `hub` and options every time.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn coordination(&mut self, hub: &Hub, options: &Options) -> Result<Coordination> {
        let (claims, ..) = self.claims.read(hub)?;
        let (plans, _) = self.plans.read(hub);
        let (events, _) = self.events.read(hub)?;
        let sources = coordination::sources(hub)?;
        let (directives, _) =
            self.directives.get(&sources, || coordination::directives(hub, &sources, options.messages))?;
        let facts = coordination::Facts {
            claims: &claims,
            plans: &plans,
            assignments: self.claims.assignments().collect(),
            events: &events,
            directives: &directives,
        };
        coordination::gather(hub, &facts, options)
    }

    /// Looks into every worktree for the next snapshots: changes, size, commits ahead and behind. May take seconds, so
    /// call it when a person asks, or from a thread with a reader of its own.
    ///
    /// # Errors
    /// When the repository cannot be read.
    pub fn inspect_worktrees(&mut self, hub: &Hub) -> Result<()> {
        self.worktrees.inspect(hub)
    }
}

/// The part of a snapshot that comes from the record.
#[derive(Default)]
struct Record {
    claims: Arc<Vec<super::claims::Claim>>,
    unusable: Arc<Vec<super::claims::Unusable>>,
    plans: Arc<Vec<super::plans::Plan>>,
    seats: Vec<super::seats::Seat>,
    events: Arc<Known>,
}
