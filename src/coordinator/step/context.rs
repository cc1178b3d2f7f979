//! One call of [`step`](super::step): the state, the effects so far, and common queries.

use std::time::Duration;

use crate::base::Stamp;
use crate::coordinator::state::config::Config;
use crate::coordinator::state::input::{Action, Effect, How, LeftAs};
use crate::coordinator::state::{Job, Pending, Phase, State};
use crate::guard::trust::Only;

/// One call of [`step`](super::step): the state and the effects so far.
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
        let by = self.now.plus(self.config.stop_within);
        self.state.volatile.stop_by.get_or_insert(by);
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
    let Some(seen) = &state.volatile.seen else { return Some("the repository has not been read yet".into()) };
    if state.volatile.termination.is_some() {
        return Some("the coordinator is stopping".into());
    }
    if state.volatile.config.as_ref().is_some_and(|config| config.one_shot) {
        return Some("the coordinator is not running".into());
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
    if let Some(room) = &seen.no_room {
        return Some(room.clone());
    }
    if let Some(only) = &seen.only
        && let Some(job) = state.live_jobs().find(|job| job.task == task)
        && !only.covers(&job.task, job.plan.as_deref(), job.step.as_deref())
    {
        return Some(not_covered(only));
    }
    if let Some(only) = state.volatile.config.as_ref().and_then(|config| config.only.as_ref())
        && state.live_jobs().any(|job| job.task == task && !job.is_called(only))
    {
        return Some(format!("this run only does {only}"));
    }
    seen.holds.contains(task).then(|| "on hold".to_owned())
}

/// What a person does when consent is what keeps work from starting.
pub(super) const ALLOW_MORE: &str = "allow 10 more: teof consent grant --max-jobs 10";

/// Why work may not start that the consent does not cover.
pub(super) fn not_covered(only: &Only) -> String {
    format!("the consent covers other work only ({}); {ALLOW_MORE}", only.describe())
}

pub(super) fn has_slot(state: &State, config: &Config) -> bool {
    taken(state) < config.slots
}

/// Whether a job of this seat can start: there is a slot that is not promised to more urgent work, and the seat works
/// on nothing else.
pub(super) fn has_room(state: &State, config: &Config, seat: &str) -> bool {
    taken(state) + promised(state) < config.slots && working(state, seat).is_none()
}

/// How many slots are promised to work that has no job yet.
fn promised(state: &State) -> usize {
    let waits = |task: &String| state.live_jobs().all(|job| job.task != *task);
    state.live_jobs().filter(|job| job.yields_to.as_ref().is_some_and(waits)).count()
}

/// The job that a seat works on now.
pub(super) fn working<'s>(state: &'s State, seat: &str) -> Option<&'s Job> {
    state.jobs.iter().find(|job| job.seat == seat && job.takes_a_slot())
}

/// How many slots are taken.
pub(super) fn taken(state: &State) -> usize {
    state.jobs.iter().filter(|job| job.takes_a_slot()).count()
}

pub(super) fn has_observed(state: &State) -> bool {
    let volatile = &state.volatile;
    volatile.seen.is_some() && !volatile.observing && !volatile.observe_again && volatile.observe_after.is_none()
}

/// Whether nothing is running and nothing is pending.
pub(super) fn is_quiet(state: &State) -> bool {
    let held = |job: &Job| state.pending.iter().any(|p| p.action.job() == Some(&job.id) && p.is_held_back());
    let one_shot = state.volatile.config.as_ref().is_some_and(|config| config.one_shot);
    let waits = |p: &Pending| p.is_held_back() || (one_shot && p.action.is_skipped_in_one_shot());
    has_observed(state) && state.pending.iter().all(waits) && state.jobs.iter().all(|job| job.rests() || held(job))
}

/// Whether no work is left, for a continuing or a finished coordinator.
pub(super) fn rests(state: &State, config: &Config) -> bool {
    !config.one_shot && is_quiet(state)
}

/// Whether a waiting job or a passed-over task will continue by itself.
pub(super) fn has_more_to_start(state: &State) -> bool {
    let goes_on = |job: &Job| {
        matches!(job.phase, Phase::Waiting { .. } | Phase::Held)
            && job.paused.is_none()
            && closed(state, &job.task).is_none()
    };
    state.volatile.has_left(LeftAs::Suspended) || state.jobs.iter().any(goes_on)
}

/// Whether this process was told to end when no work is left, or enough jobs have started.
pub(super) fn ends_when_idle(state: &State, config: &Config) -> bool {
    config.until_idle || config.max_jobs.is_some_and(|max| state.volatile.chosen >= max)
}

/// When to commit the record; `None` when nothing is uncommitted. During work, at the interval of the settings. When no
/// work is left, at once, but not more often than that interval, because every command of a person is followed by
/// idleness. A one-shot run does not count as idle. A coordinator that is told to stop commits everything; one that
/// ends by itself does so where the record has a branch of its own.
pub(super) fn commit_due(state: &State, config: &Config) -> Option<Stamp> {
    let (since, every) = (state.unrecorded_since?, config.commit_every?);
    let is_pending = state.pending.iter().any(|p| p.action == Action::Commit);
    let last = state.recorded_at_rest.map(|last| last.plus(every));
    let ends = config.commit_at_end && ends_when_idle(state, config) && !has_more_to_start(state);
    let due = match (rests(state, config), last) {
        (true, Some(next)) if state.volatile.termination.is_none() && !ends => next.max(since),
        (true, _) => since,
        (false, _) => since.plus(every),
    };
    (!is_pending).then(|| due.max(state.volatile.commit_after.unwrap_or(due)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::state::input::{Effect, Input, Reply, Snapshot};
    use crate::coordinator::step::{next_wake, step};

    fn at(minute: u64) -> Stamp {
        Stamp::from_unix(1_000_000_000).plus(Duration::from_secs(minute * 60))
    }

    /// Feeds an input and answers everything that comes of it; says whether the record was committed.
    fn feed(state: &mut State, input: Input, minute: u64) -> bool {
        let (mut effects, mut committed) = (step(state, input, at(minute)), false);
        while let Some(effect) = effects.pop() {
            let seq = state.volatile.results;
            let answer = match effect {
                Effect::Observe { .. } => Input::Snapshot(Snapshot { seq, ..Snapshot::default() }),
                Effect::Do { id, action, .. } => {
                    committed |= action == Action::Commit;
                    Input::Reply { id, reply: Reply::Done }
                }
                _ => continue,
            };
            effects.extend(step(state, answer, at(minute)));
        }
        committed
    }

    fn minutes_of_commits(state: &mut State, one_shot: bool) -> Vec<u64> {
        let decides = |minute: &u64| {
            // A word of a person, written down a moment ago.
            state.unrecorded_since.get_or_insert(at(*minute));
            let input = match one_shot {
                true => Input::Started(Config { one_shot, ..Config::default() }),
                false => Input::Tick,
            };
            feed(state, input, *minute)
        };
        (1..=25).filter(decides).collect()
    }

    #[test]
    fn a_person_who_decides_every_minute_leaves_a_record_commit_every_ten_minutes() {
        let mut state = State::default();
        assert!(feed(&mut state, Input::Started(Config::default()), 0), "what others wrote before it started");
        assert_eq!(minutes_of_commits(&mut state, false), [10, 20]);
        assert!(next_wake(&state).is_some_and(|wake| wake <= at(30)), "an idle coordinator wakes to commit the rest");
        assert!(feed(&mut state, Input::Terminate(How::Stage), 26), "nothing is left when it is stopped");
    }

    #[test]
    fn a_run_that_ends_commits_where_the_record_has_a_branch_of_its_own() {
        for (commit_at_end, until_idle, commits) in [(true, true, true), (false, true, false), (true, false, false)] {
            let mut state = State { recorded_at_rest: Some(at(0)), unrecorded_since: Some(at(1)), ..State::default() };
            let config = Config { commit_at_end, until_idle, ..Config::default() };
            assert_eq!(feed(&mut state, Input::Started(config), 2), commits, "{commit_at_end} {until_idle}");
        }
    }

    #[test]
    fn one_shot_runs_commit_what_has_waited_for_ten_minutes() {
        assert_eq!(minutes_of_commits(&mut State::default(), true), [11, 22]);
    }
}
