//! The snapshot: everything that goes on in a hub at one moment, as plain data.

use std::sync::Arc;

use serde::Serialize;

use super::claims::{Claim, Unusable};
use super::events::EventLine;
use super::history::History;
use super::jobs::Job;
use super::plans::Plan;
use super::problems::Problem;
use super::review::Reviewable;
use super::runtime::Runtime;
use super::seats::Seat;
use super::worktrees::Worktree;
use crate::base::Stamp;

/// Which parts of a snapshot are read. Jobs and what the coordinator may do always are: they cost next to nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parts {
    /// Claims, plans, seats and events.
    pub record: bool,
    /// The review queue.
    pub review: bool,
    /// Throughput, success rate and durations.
    pub history: bool,
    /// Worktrees, without what only [`super::Reader::inspect_worktrees`] finds.
    pub worktrees: bool,
}

impl Parts {
    /// Jobs, and what the coordinator may do.
    pub const JOBS: Parts = Parts { record: false, review: false, history: false, worktrees: false };
    pub const ALL: Parts = Parts { record: true, review: true, history: true, worktrees: true };
}

/// Everything that goes on. Lists of parts that were not asked for are empty.
///
/// Times are UTC; durations are seconds, sizes bytes, costs US dollars.
#[derive(Clone, Debug, Serialize)]
pub struct Snapshot {
    pub generated_at: Stamp,
    /// Grows whenever a reader saw a change; the passing of time is one when it makes a problem.
    pub revision: u64,
    /// What needs a person, the most urgent first.
    pub problems: Vec<Problem>,
    pub runtime: Runtime,
    /// Jobs that are not over, in order of choice; then the finished ones, newest first.
    pub jobs: Vec<Job>,
    /// Finished work that waits for a decision, oldest first.
    pub review: Arc<Vec<Reviewable>>,
    /// By task.
    pub claims: Arc<Vec<Claim>>,
    /// Files of the record that cannot be used.
    pub unusable: Arc<Vec<Unusable>>,
    /// By id.
    pub plans: Arc<Vec<Plan>>,
    /// By id.
    pub seats: Vec<Seat>,
    pub worktrees: Arc<Vec<Worktree>>,
    pub history: Arc<History>,
    /// The last events, newest last.
    pub events: Arc<Vec<EventLine>>,
}

impl Snapshot {
    /// Jobs that are not over.
    pub fn live_jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.iter().filter(|job| !job.is_over)
    }

    /// The job of an id, long or short.
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.id == name || job.short == name)
    }
}
