//! One call of [`step`](super::step): the state, the effects so far, and the questions that every part of the decision asks.

use std::time::Duration;

use crate::base::Stamp;
use crate::coordinator::state::config::Config;
use crate::coordinator::state::input::{Action, Effect, How};
use crate::coordinator::state::{Job, Pending, State};

/// One call of [`step`](super::step): the state, and what is to be done so far.
pub(super) struct StepContext<'a> {
    pub state: &'a mut State,
    pub config: Config,
    pub now: Stamp,
    pub out: Vec<Effect>,
}

impl StepContext<'_> {
    pub fn end(&mut self, how: How) {
        let ending = &mut self.state.volatile.termination;
        *ending = (*ending).max(Some(how));
    }

    pub fn poll_after(&mut self, span: Duration) {
        self.state.volatile.poll = span;
        self.state.volatile.next_poll = Some(self.now.plus(span));
    }

    /// Queues an action: it is saved, and issued at the end of this step.
    pub fn queue(&mut self, action: Action) {
        self.state.last_number += 1;
        let id = self.state.last_number;
        self.state.pending.push(Pending { id, action, issued: false, failures: 0, after: None, why: None });
    }

    pub fn say(&mut self, job: Option<String>, text: String) {
        self.out.push(Effect::Say { job, text });
    }
}

/// Why nothing may start on this task now; `None` when it may.
pub(super) fn closed(state: &State, task: &str) -> Option<String> {
    let Some(seen) = &state.volatile.seen else { return Some("not looked yet".into()) };
    if state.volatile.termination.is_some() {
        return Some("the coordinator is ending".into());
    }
    if state.volatile.config.as_ref().is_some_and(|config| config.one_shot) {
        return Some("no coordinator runs".into());
    }
    if let Some(trip) = &state.breaker.open {
        return Some(format!("the breaker is open: {}", trip.reason));
    }
    if let Some(word) = &state.paused {
        return Some(format!("paused by {}", word.by));
    }
    if let Some(stop) = &seen.stop {
        return Some(stop.clone());
    }
    seen.holds.contains(task).then(|| "on hold".to_owned())
}

pub(super) fn has_slot(state: &State, config: &Config) -> bool {
    taken(state) < config.slots
}

/// How many slots are taken.
pub(super) fn taken(state: &State) -> usize {
    state.jobs.iter().filter(|job| job.takes_a_slot()).count()
}

pub(super) fn has_observed(state: &State) -> bool {
    let volatile = &state.volatile;
    volatile.seen.is_some() && !volatile.observing && !volatile.observe_again && volatile.observe_after.is_none()
}

/// Nothing is under way and nothing is known to be done next.
pub(super) fn is_quiet(state: &State) -> bool {
    let held = |job: &Job| state.pending.iter().any(|p| p.action.job() == Some(&job.id) && p.is_held_back());
    let one_shot = state.volatile.config.as_ref().is_some_and(|config| config.one_shot);
    let waits = |p: &Pending| p.is_held_back() || (one_shot && p.action.is_skipped_in_one_shot());
    has_observed(state) && state.pending.iter().all(waits) && state.jobs.iter().all(|job| job.rests() || held(job))
}

/// When the record is to be committed at the latest; `None` when there is nothing to commit.
pub(super) fn commit_due(state: &State, config: &Config) -> Option<Stamp> {
    let due = state.unrecorded_since?.plus(config.commit_every?);
    let is_pending = state.pending.iter().any(|p| p.action == Action::Commit);
    (!is_pending).then(|| due.max(state.volatile.commit_after.unwrap_or(due)))
}
