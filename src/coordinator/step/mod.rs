//! The decision: `step(&mut State, Input, now) -> Vec<Effect>`.
//!
//! Pure: no clock, disk or randomness. The same history gives the same decisions, which the simulator replays. The
//! caller saves the state before performing the effects.

pub(super) mod choose;
pub(super) mod commands;
mod context;
pub(super) mod finalize;
pub(super) mod jobs;
mod leave;
mod notices;
mod overlaps;
pub(super) mod questions;
pub(super) mod reason;
pub(super) mod review;
pub(super) mod runs;
pub(super) mod suspensions;
pub(super) mod termination;

use std::time::Duration;

pub use choose::quotas::near_limit;
use context::{StepContext, closed, commit_due, has_room, rests, taken};
pub use leave::obstacle;

use super::state::config::Config;
use super::state::input::{Action, Effect, How, Input, Reply, Snapshot};
use super::state::volatile::{Seen, Volatile};
use super::state::{Grant, Job, Pending, Phase, State, VERSION};
use crate::base::Stamp;

/// A clock that goes back by less is being corrected, as every clock is.
const CLOCK_SKEW: Duration = Duration::from_secs(5);

/// Takes one input and returns the effects to perform.
pub fn step(state: &mut State, input: Input, now: Stamp) -> Vec<Effect> {
    let config = match (&input, &state.volatile.config) {
        (Input::Started(config), _) | (Input::Settings(config), Some(_)) | (_, Some(config)) => config.clone(),
        (_, None) => return Vec::new(),
    };
    if let Some(back) = state.volatile.last_now.map(|last| last.since(now)).filter(|back| *back >= CLOCK_SKEW) {
        state.turn_back(back);
    }
    state.volatile.last_now = Some(now);
    let busy = taken(state);
    let mut context = StepContext { state, config, now, out: Vec::new() };
    context.take(input);
    // Work without a slot at the last observation may have one now.
    context.state.volatile.observe_again |= taken(context.state) < busy;
    context.advance();
    context.out
}

/// When [`Input::Tick`] is due if nothing else comes in before.
pub fn next_wake(state: &State) -> Option<Stamp> {
    let volatile = &state.volatile;
    let config = volatile.config.as_ref()?;
    let retries = state.pending.iter().filter(|p| !volatile.flying.contains(&p.id)).filter_map(|p| p.after);
    let awake = |job: &Job, at: Stamp| state.asleep(&job.work.agents, at).is_none();
    let attempts = state.jobs.iter().filter_map(|job| match job.phase {
        Phase::Waiting { until }
            if job.paused.is_none()
                && closed(state, &job.task).is_none()
                && has_room(state, config, &job.seat)
                && awake(job, until) =>
        {
            Some(until)
        }
        _ => None,
    });
    let awakenings = state.suspended.values().map(|suspension| suspension.until);
    let awakenings = awakenings.chain(choose::quotas::resets(state, config));
    let due =
        volatile.next_poll.into_iter().chain(volatile.observe_after).chain(retries).chain(attempts).chain(awakenings);
    let stop = volatile.stop_by.filter(|_| volatile.termination == Some(How::Stage));
    due.chain(commit_due(state, config)).chain(stop).min()
}

impl StepContext<'_> {
    fn take(&mut self, input: Input) {
        match input {
            Input::Started(config) => self.started(config),
            Input::Settings(config) => {
                self.state.volatile.config = Some(config);
                self.forget_receivers();
            }
            Input::Tick => {}
            Input::Woken => {
                self.state.volatile.observe_again = true;
                self.poll_after(self.config.poll_min);
            }
            Input::Snapshot(snapshot) => self.observed(snapshot),
            Input::Reply { id, reply } => self.replied(id, reply),
            Input::Run { run, is } => self.run_is(&run, is),
            Input::Used { run, tokens, cost } => self.uses(&run, tokens, cost),
            Input::Quotas(quotas) => self.learn(quotas),
            Input::Command { id, word, command } => self.command(id, word, command),
            Input::Unknown { decision, title } => self.take_up(*decision, title),
            Input::Noticed { topic, job, text } => self.notify(topic, job.as_deref(), &text),
            Input::AlertsUntil(at) => self.state.alerts_until = Some(at),
            // A one-shot run ends soon anyway and does not own the workers.
            Input::Terminate(_) if self.config.one_shot => {}
            Input::Terminate(how) => self.end(how),
        }
    }

    fn started(&mut self, config: Config) {
        self.state.version = VERSION;
        self.state.forget_far_waits(&config, self.now);
        self.state.volatile = Volatile {
            config: Some(config),
            observe_again: true,
            ask_remote: true,
            last_now: Some(self.now),
            last_job_before: self.state.last_job,
            ..Volatile::default()
        };
        // A person who starts it again has fixed the cause and expects an immediate retry.
        self.state.pending.iter_mut().for_each(|pending| pending.after = None);
        if !self.config.one_shot {
            // Writes of others since the last commit are unknown.
            self.state.unrecorded_since.get_or_insert(self.now);
            self.forget_receivers();
            self.tell_of_crash();
        }
        self.poll_after(self.config.poll_min);
    }

    fn observed(&mut self, mut snapshot: Snapshot) {
        if snapshot.unreadable {
            // Nobody measured the disks.
            snapshot.no_room = self.state.volatile.seen.as_ref().and_then(|seen| seen.no_room.clone());
        }
        self.notify_room(snapshot.no_room.as_deref());
        let volatile = &mut self.state.volatile;
        volatile.observing = false;
        let fresh = snapshot.seq == volatile.results;
        if let Some((at, _)) = snapshot.grant
            && self.state.grant.as_ref().is_none_or(|grant| grant.at != at)
        {
            let (chosen_before, last_job_before) = (self.state.totals.chosen, self.state.last_job);
            self.state.grant = Some(Grant { at, chosen_before, last_job_before });
        }
        volatile.seen = Some(Seen {
            stop: snapshot.stop.take(),
            unreadable: snapshot.unreadable,
            no_choice: snapshot.no_choice.take(),
            danger: snapshot.danger.take(),
            no_room: snapshot.no_room.take(),
            most: snapshot.grant.and_then(|(_, most)| most),
            only: snapshot.only.take(),
            holds: std::mem::take(&mut snapshot.holds),
            seats: std::mem::take(&mut snapshot.seats),
            seat_names: std::mem::take(&mut snapshot.seat_names),
        });
        self.release_held_back();
        self.saw_reviews(std::mem::take(&mut snapshot.reviews));
        if let Some(trials) = snapshot.trials.take() {
            self.saw_trials(trials);
        }
        if self.config.one_shot {
            return;
        }
        self.state.volatile.observe_after = snapshot.again;
        if fresh {
            // Started jobs first: they take their slots before new jobs are chosen.
            self.start_what_rests();
            self.recover(&snapshot.orphans);
            self.choose(snapshot);
        } else {
            // It may show work as open that was finished during the observation.
            self.state.volatile.observe_again = true;
        }
    }

    /// Actions that waited for a lifted hold are due.
    fn release_held_back(&mut self) {
        let State { pending, jobs, volatile, .. } = &mut *self.state;
        let Some(seen) = &volatile.seen else { return };
        let on_hold = |id: &str| jobs.iter().any(|job| job.id == id && seen.holds.contains(&job.task));
        let settles = |pending: &&mut Pending| matches!(pending.action, Action::Finalize { .. });
        for held in pending.iter_mut().filter(|pending| pending.is_held_back()).filter(settles) {
            if !held.action.job().is_some_and(on_hold) {
                held.after = None;
            }
        }
    }

    fn replied(&mut self, id: u64, reply: Reply) {
        let volatile = &mut self.state.volatile;
        let Some(at) = self.state.pending.iter().position(|p| p.id == id) else { return };
        volatile.flying.remove(&id);
        volatile.results += 1;
        if let Reply::Failed { why } | Reply::Broken { why } = &reply {
            self.try_again_later(at, why, matches!(reply, Reply::Broken { .. }));
            return;
        }
        if let (Action::Finalize { .. } | Action::Deliver { .. } | Action::Approve { .. }, Reply::NotNow { .. }) =
            (&self.state.pending[at].action, &reply)
        {
            let pending = &mut self.state.pending[at];
            pending.after = Some(self.now.plus(self.config.poll_max));
            self.state.volatile.observe_again |= matches!(pending.action, Action::Finalize { .. });
            return;
        }
        let pending = self.state.pending.remove(at);
        self.tell_unstuck(&pending);
        let action = pending.action;
        let wrote = !matches!(reply, Reply::Refused { .. } | Reply::NotNow { .. });
        if wrote && !matches!(action, Action::Commit | Action::Spawn { .. } | Action::Notify { .. }) {
            self.state.unrecorded_since.get_or_insert(self.now);
        }
        match action {
            Action::Assign { job } => self.was_assigned(&job, reply),
            Action::Order { job } => self.was_ordered(&job, reply),
            Action::Spawn { job, run } => self.was_spawned(&job, &run, reply),
            Action::Await { job } => self.was_awaited(&job, reply),
            Action::Approve { job } => self.was_approved(&job, reply),
            Action::Deliver { job } => self.was_delivered(&job, reply),
            Action::Finalize { job, ending } => self.was_finalized(&job, ending, reply),
            Action::Commit => match reply {
                Reply::Refused { why } | Reply::NotNow { why } => self.commit_later(&why),
                reply => {
                    self.state.commit_failing = None;
                    if matches!(reply, Reply::Unchanged) {
                        self.state.recorded_at_rest = None;
                    }
                }
            },
            Action::Reset { task } => self.was_reset(task, reply),
            // A lost claim is noticed at the next renewal.
            Action::Keep { .. } | Action::Note { .. } | Action::Decide(_) | Action::Notify { .. } => {}
        }
    }

    /// Advances everything that can move now, whatever the input was.
    fn advance(&mut self) {
        self.prune();
        self.poll();
        self.hurry();
        self.keep_what_waits();
        self.stop_workers();
        self.start_what_rests();
        self.issue();
        if self.state.volatile.observe_again && !self.state.volatile.observing {
            self.state.volatile.observe_again = false;
            self.state.volatile.observing = true;
            let remote = std::mem::take(&mut self.state.volatile.ask_remote) && !self.config.one_shot;
            self.out.push(Effect::Observe { remote });
        }
        self.commit();
        self.notify_wait();
        self.notify_idle();
        self.leave();
    }

    fn poll(&mut self) {
        let volatile = &mut self.state.volatile;
        if volatile.observe_after.is_some_and(|at| at <= self.now) {
            volatile.observe_after = None;
            volatile.observe_again = true;
        }
        if volatile.next_poll.is_none_or(|at| at > self.now) {
            return;
        }
        volatile.observe_again = true;
        volatile.ask_remote = true;
        // A worker that did not stop is asked again, more firmly each time.
        volatile.notified_workers.retain(|_, how| *how != How::Now);
        let longer = (volatile.poll * 2).min(self.config.poll_max);
        let works = self.state.live_jobs().any(|job| !job.is_under_review())
            || self.state.pending.iter().any(|pending| !pending.is_held_back());
        let no_room = self.state.volatile.seen.as_ref().is_some_and(|seen| seen.no_room.is_some());
        self.poll_after(if works || no_room { self.config.poll_min } else { longer });
    }

    /// Issues pending actions that are due.
    fn issue(&mut self) {
        let (volatile, now) = (&mut self.state.volatile, self.now);
        for pending in &mut self.state.pending {
            if self.config.one_shot && pending.action.is_skipped_in_one_shot() {
                continue;
            }
            if pending.after.is_some_and(|at| at > now) || !volatile.flying.insert(pending.id) {
                continue;
            }
            let check = pending.issued;
            pending.issued = true;
            self.out.push(Effect::Do { id: pending.id, action: pending.action.clone(), check });
        }
    }

    fn commit(&mut self) {
        if commit_due(self.state, &self.config).is_none_or(|due| due > self.now) {
            return;
        }
        if rests(self.state, &self.config) {
            self.state.recorded_at_rest = Some(self.now);
        }
        self.state.unrecorded_since = None;
        self.queue(Action::Commit);
        self.issue();
    }

    fn commit_later(&mut self, why: &str) {
        (self.state.unrecorded_since, self.state.recorded_at_rest) = (Some(self.now), None);
        self.state.volatile.commit_after = self.config.commit_every.map(|every| self.now.plus(every));
        self.commit_failed(why);
    }

    /// Removes data that is no longer needed.
    fn prune(&mut self) {
        let over = self.state.jobs.iter().filter(|job| job.is_over()).count();
        let mut surplus = over.saturating_sub(self.config.keep);
        self.state.jobs.retain(|job| {
            let drop = surplus > 0 && job.is_over();
            surplus -= usize::from(drop);
            !drop
        });
        self.forget_trials();
        let cooling = self.state.cooling.len();
        self.state.cooling.retain(|_, until| *until > self.now);
        self.state.volatile.observe_again |= self.state.cooling.len() < cooling;
        let suspended = self.state.suspended.len();
        self.state.suspended.retain(|_, suspension| suspension.until > self.now);
        self.state.volatile.observe_again |= self.state.suspended.len() < suspended;
        self.forget_quotas();
    }
}
