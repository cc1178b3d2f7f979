//! The projection: what others may know of the coordinator's state, `_report/agent/<manager>/state.json`.
//!
//! The design log: "queues, active workers, guard incidents", and the circuit breaker. Written, never read back.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Stamp;
use crate::coordinator::state::{Ending, Job, Phase, State, Suspension, Word};
use crate::model::is_default;

/// How many incidents are listed, newest first.
const INCIDENTS: usize = 20;
/// How many submissions are listed, oldest first: each change of the queue writes the list again.
const SUBMISSIONS: usize = 100;

/// The projection, without its `version` and `generated_at`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Projection<'a> {
    manager_agent: &'a str,
    queues: Queues<'a>,
    /// Finished work that waits for a person.
    under_review: Vec<UnderReview<'a>>,
    suspended_agents: &'a BTreeMap<String, Suspension>,
    active_workers: Vec<Queued<'a>>,
    /// Blocked jobs, newest first.
    guard_incidents: Vec<Incident<'a>>,
    circuit_breaker: CircuitBreaker<'a>,
    /// An operator's pause.
    paused: Option<&'a Word>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Queues<'a> {
    submissions: Vec<Submitted<'a>>,
    /// How many more wait than `submissions` lists.
    #[serde(skip_serializing_if = "is_default")]
    more_submissions: usize,
    waiting: Vec<Queued<'a>>,
    /// Tasks skipped by an operator.
    skipped: &'a BTreeMap<String, Word>,
    /// Task to seat.
    reassigned: &'a BTreeMap<String, String>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Submitted<'a> {
    task_id: &'a str,
    by: &'a str,
    at: Stamp,
}

/// A job that works or waits.
#[derive(Debug, Serialize, JsonSchema)]
struct Queued<'a> {
    job: &'a str,
    short: String,
    task_id: &'a str,
    plan_id: Option<&'a str>,
    step_id: Option<&'a str>,
    agent_id: &'a str,
    phase: &'static str,
    run: String,
    /// Process failures and timeouts so far.
    failures: u32,
    since: Stamp,
}

#[derive(Debug, Serialize, JsonSchema)]
struct UnderReview<'a> {
    job: &'a str,
    short: String,
    task_id: &'a str,
    plan_id: Option<&'a str>,
    step_id: Option<&'a str>,
    agent_id: &'a str,
    run: String,
    commit: Option<&'a str>,
    bundle: Option<&'a str>,
    /// The number of its pull request.
    pr: Option<u64>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Incident<'a> {
    at: Stamp,
    job: &'a str,
    short: String,
    task_id: &'a str,
    agent_id: &'a str,
    reason: &'a str,
    envelope: Option<&'a str>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct CircuitBreaker<'a> {
    active: bool,
    reason: Option<&'a str>,
    since: Option<Stamp>,
    failures_in_a_row: u32,
}

impl<'a> Projection<'a> {
    pub fn of(state: &'a State, manager: &'a str) -> Self {
        let submissions = state.submissions.iter().take(SUBMISSIONS);
        let trip = state.breaker.open.as_ref();
        Projection {
            manager_agent: manager,
            queues: Queues {
                submissions: submissions
                    .map(|one| Submitted { task_id: &one.task, by: &one.word.by, at: one.word.at })
                    .collect(),
                more_submissions: state.submissions.len().saturating_sub(SUBMISSIONS),
                waiting: queued(state, |job| !job.takes_a_slot() && !job.is_under_review()),
                skipped: &state.skips,
                reassigned: &state.reassigned,
            },
            under_review: state.live_jobs().filter(|job| job.is_under_review()).map(under_review).collect(),
            suspended_agents: &state.suspended,
            active_workers: queued(state, Job::takes_a_slot),
            guard_incidents: state.jobs.iter().rev().filter_map(incident).take(INCIDENTS).collect(),
            circuit_breaker: CircuitBreaker {
                active: trip.is_some(),
                reason: trip.map(|trip| trip.reason.as_str()),
                since: trip.map(|trip| trip.at),
                failures_in_a_row: state.breaker.failures_in_a_row,
            },
            paused: state.paused.as_ref(),
        }
    }
}

fn queued(state: &State, is_wanted: impl Fn(&Job) -> bool) -> Vec<Queued<'_>> {
    let jobs = state.live_jobs().filter(|job| is_wanted(job));
    jobs.map(|job| Queued {
        job: &job.id,
        short: job.short(),
        task_id: &job.task,
        plan_id: job.plan.as_deref(),
        step_id: job.step.as_deref(),
        agent_id: &job.seat,
        phase: job.phase.name(),
        run: job.run_id(),
        failures: job.failures,
        since: job.chosen_at,
    })
    .collect()
}

fn under_review(job: &Job) -> UnderReview<'_> {
    UnderReview {
        job: &job.id,
        short: job.short(),
        task_id: &job.task,
        plan_id: job.plan.as_deref(),
        step_id: job.step.as_deref(),
        agent_id: &job.seat,
        run: job.run_id(),
        commit: job.commit(),
        bundle: job.last.as_ref().and_then(|last| last.bundle.as_deref()),
        pr: job.pull_request,
    }
}

fn incident(job: &Job) -> Option<Incident<'_>> {
    let (Phase::Over { ending: Ending::Blocked, at }, Some(last)) = (&job.phase, &job.last) else { return None };
    Some(Incident {
        at: *at,
        job: &job.id,
        short: job.short(),
        task_id: &job.task,
        agent_id: &job.seat,
        reason: &last.reason,
        envelope: last.envelope.as_deref(),
    })
}
