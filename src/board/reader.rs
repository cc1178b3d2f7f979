//! Makes snapshots, and remembers what it has read.

use std::sync::Arc;

use super::cached::Cached;
use super::claims::Claims;
use super::coordination::{self, Coordination, Directives, Options};
use super::events::{Events, Known};
use super::history::Envelopes;
use super::jobs::{Job, Jobs};
use super::plans::Plans;
use super::problems::{self, Facts};
use super::review::Queue;
use super::runtime::{Observer, Spent};
use super::seats::Seats;
use super::snapshot::{Parts, Snapshot};
use super::worktrees::Worktrees;
use crate::base::Result;
use crate::coordinator::State;
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
    /// Something changed since the last snapshot; kept when a read fails in the middle.
    is_changed: bool,
    is_state_changed: bool,
    /// The parts that change without a file of their own, as they were shown last.
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
        let (state, jobs) = self.jobs(hub)?;
        let running = jobs.iter().fold(Spent::default(), |sum, job| sum.plus(job.uncounted));
        let runtime = self.runtime.read(hub, &state, running)?;
        let mut record = Record::default();
        if parts.record {
            let (claims, unusable, changed) = self.claims.read(hub)?;
            self.is_changed |= changed;
            let (plans, changed) = self.plans.read(hub);
            self.is_changed |= changed;
            let (events, changed) = self.events.read(hub)?;
            self.is_changed |= changed;
            let seats = self.seats.read(hub, &claims, &jobs, &events)?;
            record = Record { claims, unusable, plans, seats, events };
        }
        let mut review = Arc::default();
        if parts.review {
            let (queue, changed) = self.review.read(hub, &jobs, self.is_state_changed)?;
            self.is_changed |= changed;
            review = queue;
        }
        let mut history = Arc::default();
        if parts.history {
            let (found, changed) = self.history.read(hub);
            self.is_changed |= changed;
            history = found;
        }
        let mut worktrees = Arc::default();
        if parts.worktrees {
            worktrees = self.worktrees.read(hub, &state, self.is_state_changed)?;
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
        let held: Vec<_> = jobs.iter().filter(|job| job.is_held).map(|job| (&job.id, &job.reason)).collect();
        let told = serde_json::to_string(&(&runtime, &record.seats, &worktrees, &problems, &held)).unwrap_or_default();
        self.is_state_changed = false;
        if std::mem::take(&mut self.is_changed) || told != self.told {
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

    /// The coordinator's state of now, and its jobs.
    fn jobs(&mut self, hub: &Hub) -> Result<(Arc<State>, Vec<Job>)> {
        let (state, is_state_changed) = self.jobs.state(hub)?;
        let (jobs, changed) = self.jobs.read(hub, &state);
        self.is_state_changed |= is_state_changed || changed.merges;
        self.is_changed |= self.is_state_changed || changed.live;
        Ok((state, jobs))
    }

    /// The coordinator's state that the last snapshot was made of; empty before.
    pub fn state(&self) -> Arc<State> {
        self.jobs.last_state()
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
