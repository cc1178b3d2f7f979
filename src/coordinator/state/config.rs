//! The configuration of the decisions, passed in with [`Input::Started`].
//!
//! [`Input::Started`]: super::input::Input::Started

use std::time::Duration;

use crate::hub::settings::Overlap;
use crate::hub::settings::notify::Topic;
use crate::model::priority::Priority;

/// How many jobs that are over are remembered.
pub const KEEP: usize = 200;
const MINUTE: Duration = Duration::from_secs(60);

/// Who is told what, and how often.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    pub name: String,
    /// Empty: every topic.
    pub on: Vec<Topic>,
    /// How long the same is not told again.
    pub repeat: Duration,
    pub per_hour: u32,
}

/// Defaults are the design's.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// How many workers run at the same time.
    pub slots: usize,
    /// How long to wait before each further attempt after a process failure or a time-out; their
    /// number is the number of retries.
    pub retry_after: Vec<Duration>,
    /// The first wait for a service that is down; each further wait is twice as long.
    pub outage_first: Duration,
    /// The longest such wait.
    pub outage_most: Duration,
    /// How often a job may lose its worker (killed, frozen, machine restarted) before the job counts as the cause.
    pub max_interruptions: u32,
    /// Jobs blocked in a row that open the breaker.
    pub breaker_after: u32,
    /// How often more urgent work may pause a job; 0: never.
    pub preemptions: u32,
    /// What happens to work that declares the paths of a running job.
    pub overlap: Overlap,
    /// How many explicit submissions may wait.
    pub queue: usize,
    /// The safety poll while there is work.
    pub poll_min: Duration,
    /// The safety poll after long idleness.
    pub poll_max: Duration,
    /// How long a task that could not be assigned is not tried again.
    pub cool_down: Duration,
    /// How often the record is committed while there is work; `None`: never by the coordinator.
    pub commit_every: Option<Duration>,
    /// The record has a branch of its own, so it is committed whenever a run ends, however soon after the last commit.
    pub commit_at_end: bool,
    /// How many finished jobs are stored.
    pub keep: usize,
    /// Whether a person also reviews the results of approved commands.
    pub review_commands: bool,
    /// Priorities of which results are merged without a person.
    pub auto_merge: Vec<String>,
    /// How long the claim of a job under review is kept, each time.
    pub review_lease: Duration,
    /// Token limit per day; 0: no limit.
    pub day_tokens: u64,
    /// Cost limit per day in US dollars; 0: no limit.
    pub day_cost: f64,
    /// Percent of an agent's own limit from which on work less urgent than `quota_priority` waits; 0: never.
    pub quota_threshold: u8,
    pub quota_priority: Priority,
    /// How long workers may finish their stages when the coordinator is told to stop.
    pub stop_within: Duration,
    /// Who is told what happens.
    pub receivers: Vec<Receiver>,
    /// Finish what is left, start nothing, exit.
    pub one_shot: bool,
    /// Exit when there is nothing to do.
    pub until_idle: bool,
    /// Choose at most this many jobs, then exit.
    pub max_jobs: Option<u64>,
    /// Start only this work, by any of its names.
    pub only: Option<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            slots: 3,
            retry_after: vec![Duration::from_secs(30), 2 * MINUTE],
            outage_first: Duration::from_secs(30),
            outage_most: 15 * MINUTE,
            max_interruptions: 10,
            breaker_after: 3,
            preemptions: 2,
            overlap: Overlap::Warn,
            queue: 10,
            poll_min: Duration::from_secs(30),
            poll_max: 5 * MINUTE,
            cool_down: 5 * MINUTE,
            commit_every: Some(10 * MINUTE),
            commit_at_end: false,
            keep: KEEP,
            review_commands: false,
            auto_merge: Vec::new(),
            review_lease: 30 * 24 * 60 * MINUTE,
            day_tokens: 0,
            day_cost: 0.0,
            quota_threshold: 90,
            quota_priority: Priority::MEDIUM,
            stop_within: 10 * MINUTE,
            receivers: Vec::new(),
            one_shot: false,
            until_idle: false,
            max_jobs: None,
            only: None,
        }
    }
}
