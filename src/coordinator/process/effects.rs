//! Performs effects in order. The state is saved before anything starts that is not in it; also handles a state that
//! cannot be saved.

use std::time::{Duration, Instant};

use super::observe;
use super::options::read_again;
use super::saving::{PATIENCE, PROJECTION_EVERY};
use super::shell::Shell;
use crate::base::Result;
use crate::coordinator::executor::beside::{approve_beside, commit_beside};
use crate::coordinator::executor::context::Executor;
use crate::coordinator::executor::{publish, refusals};
use crate::coordinator::inbox::{self, Answer};
use crate::coordinator::state::input::{Action, Effect, Input, Leave, Reply, Snapshot};
use crate::coordinator::state::notice::Notice;
use crate::coordinator::state::{Job, State};
use crate::exec::{self, Turn};
use crate::hub::settings::notify::Topic;
use crate::model::run::job_name::short;

/// A notification that could not be delivered for this long, because no coordinator ran, is not news any more.
const STALE: Duration = Duration::from_secs(24 * 3600);

impl Shell<'_> {
    /// Performs effects until none is left. What the next process could not know is saved first.
    ///
    /// # Errors
    /// Why the state cannot be saved, if this run does not wait for that.
    pub(super) fn drain(&mut self) -> Result<()> {
        while !self.effects.is_empty() && self.leave.is_none() {
            let Some(effect) = self.next_effect() else { break };
            if effect.needs_saving(|action| self.saving.store.knows(action)) {
                if let Err(e) = self.saving.save(&self.hub, &self.state) {
                    self.effects.push_front(effect);
                    return self.cannot_save(e);
                }
                self.saving.failing_since = None;
            }
            self.perform(effect);
        }
        Ok(())
    }

    /// Saves the state, and writes projection and metrics when due (or always with `at_once`). Unchanged files are
    /// not written.
    pub(super) fn publish(&mut self, at_once: bool) {
        let saved = self.saving.save(&self.hub, &self.state);
        self.saving.is_outdated |= self.saving.store.take_news();
        if !self.saving.is_outdated || self.committing.is_some() || !(at_once || self.projection_due().is_zero()) {
            return;
        }
        (self.saving.is_outdated, self.saving.projected) = (false, Some(Instant::now()));
        let metrics = self.saving.recent.read(&self.hub);
        if let Err(e) = saved.and_then(|()| publish::project(&self.hub, &self.manager, &self.state, &metrics)) {
            self.report(format!("cannot publish the state: {e:#}"));
            self.unwritten = Some(format!("{e:#}"));
        }
    }

    /// One line for the service manager.
    pub(super) fn tell_supervisor(&mut self) {
        if self.supervisor.is_there() {
            if self.state.volatile.termination.is_some() {
                self.supervisor.stopping();
            }
            let line = status_line(&self.state);
            self.supervisor.status(&line);
        }
    }

    /// How long until the projection is due.
    pub(super) fn projection_due(&self) -> Duration {
        match self.saving.projected {
            _ if !self.saving.is_outdated || self.committing.is_some() => Duration::MAX,
            Some(at) => PROJECTION_EVERY.saturating_sub(at.elapsed()),
            None => Duration::ZERO,
        }
    }

    fn cannot_save(&mut self, why: anyhow::Error) -> Result<()> {
        let now = Instant::now();
        if self.saving.failing_since.is_none() {
            self.saving.failing_since = Some(now);
            self.report(format!("cannot save the state, so no work starts: {why:#}"));
        }
        let told_to_stop = self.signals > 0 || self.effects.contains(&Effect::Exit(Leave::Stopped));
        if told_to_stop {
            self.leave_unsaved();
            return Ok(());
        }
        let gives_up = self.options.one_shot || (self.options.until_idle && self.saving.has_failed_for(PATIENCE, now));
        if gives_up { Err(why) } else { Ok(()) }
    }

    /// Stops the workers without waiting: the next process reads their outcomes.
    fn leave_unsaved(&mut self) {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter(|effect| matches!(effect, Effect::StopWorker { .. }))
            .for_each(|tell| self.perform(tell));
        self.report("stopping without saving the state; the next run checks what is missing from it".into());
        self.leave = Some(Leave::Stopped);
    }

    /// A job's actions come before reports; an observation comes last. While the record is committed no action starts.
    fn next_effect(&mut self) -> Option<Effect> {
        let waits =
            |effect: &Effect| self.committing.is_some() && matches!(effect, Effect::Do { .. } | Effect::Observe { .. });
        let rank = |effect: &Effect| match effect {
            Effect::Say { .. } | Effect::StopWorker { .. } | Effect::Answer { .. } => 0,
            Effect::Do { action, .. } if action.job().is_some() => 1,
            Effect::Do { .. } => 2,
            Effect::Observe { .. } => 3,
            Effect::Exit(_) => 4,
        };
        let ready = self.effects.iter().enumerate().filter(|(_, effect)| !waits(effect));
        let first = ready.min_by_key(|(at, effect)| (rank(effect), *at));
        self.effects.remove(first?.0)
    }

    fn perform(&mut self, effect: Effect) {
        exec::publish_turn(Turn::Works(self.hub.now().unix()));
        self.supervisor.alive();
        match effect {
            // It is no longer needed.
            Effect::Do { id, .. } if !self.state.pending.iter().any(|pending| pending.id == id) => {}
            Effect::Do { id, action: Action::Notify { to, notice }, check } => self.deliver(id, check, &to, *notice),
            Effect::Do { id, action: Action::Commit, .. } => self.commit_record(id),
            Effect::Do { id, action: Action::Approve { job }, .. } => {
                approve_beside(&self.hub, &job, id, self.send.clone());
            }
            Effect::Do { id, action, check } => {
                let Shell { hub, manager, own, workers, state, .. } = self;
                let mut executor = Executor { hub, manager, own, workers };
                let reply = executor.perform(id, &action, check, state);
                // What an earlier process tried already follows from nothing that this one was told.
                if let (Reply::Failed { why } | Reply::Broken { why }, false) = (&reply, check) {
                    self.unwritten = Some(why.clone());
                }
                self.feed(Input::Reply { id, reply });
            }
            Effect::Observe { remote } => {
                let snapshot = match self.settings_unreadable {
                    true => read_again(&self.hub).map(drop),
                    false => Ok(()),
                };
                let how = (remote, self.options.one_shot);
                let snapshot = snapshot.and_then(|()| {
                    observe::observe_and_notify(&self.hub, &self.manager, &self.state, how, &mut self.plans)
                });
                let snapshot = snapshot.unwrap_or_else(|e| self.unreadable(e));
                self.feed(Input::Snapshot(snapshot));
            }
            Effect::StopWorker { run, how, .. } => {
                if let Err(e) = self.workers.stop(&self.hub, &run, how) {
                    self.report(format!("cannot stop {}: {e:#}", short(&run)));
                }
            }
            Effect::Answer { command, ok, text } => {
                if let Err(e) = inbox::answer(&self.hub, &command, &Answer { ok, text }) {
                    self.report(format!("cannot answer the command {command}: {e:#}"));
                    self.unwritten = Some(format!("{e:#}"));
                }
            }
            Effect::Say { job, text } => self.say(job.as_deref(), text),
            Effect::Exit(leave) => self.leave = Some(leave),
        }
    }

    /// Passes a notification on; its reply comes when it is delivered.
    fn deliver(&mut self, id: u64, check: bool, to: &str, notice: Notice) {
        let is_old = self.hub.now().since(notice.at) > STALE;
        let settings = self.hub.settings().ok();
        let receiver = settings.and_then(|settings| settings.notify.iter().find(|one| one.label() == to).cloned());
        match receiver.filter(|_| !is_old) {
            Some(receiver) => self.deliverer.take(&self.hub, &self.send, (id, check), receiver, notice),
            None => self.feed(Input::Reply { id, reply: Reply::Done }),
        }
    }

    fn commit_record(&mut self, id: u64) {
        let metrics = self.saving.recent.read(&self.hub);
        match publish::project(&self.hub, &self.manager, &self.state, &metrics) {
            Ok(()) => {
                self.committing = Some(self.hub.now());
                commit_beside(&self.hub, id, self.send.clone());
            }
            Err(e) => self.feed(Input::Reply { id, reply: refusals::answer(&e) }),
        }
    }

    /// The snapshot for an unreadable record: nothing changes.
    fn unreadable(&mut self, why: anyhow::Error) -> Snapshot {
        let stop = format!("cannot read the record: {why:#}");
        if self.unreadable.as_ref().is_none_or(|known| known.to_string() != why.to_string()) {
            self.feed(Input::Noticed { topic: Topic::Problem, job: None, text: stop.clone() });
            self.report(stop.clone());
        }
        self.unreadable = Some(why);
        Snapshot {
            seq: self.state.volatile.results,
            stop: Some(stop),
            unreadable: true,
            holds: self.state.live_jobs().map(|job| job.task.clone()).collect(),
            ..Snapshot::default()
        }
    }
}

/// What it does, in one line: `2 running, 1 to review`.
fn status_line(state: &State) -> String {
    let count = |is: fn(&Job) -> bool| state.live_jobs().filter(|job| is(job)).count();
    let counts = [
        (count(Job::takes_a_slot), "running"),
        (count(Job::is_under_review), "to review"),
        (count(Job::asks), "waiting for an answer"),
    ];
    let counts = counts.into_iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}"));
    let seen = state.volatile.seen.as_ref();
    let stopped = match (&state.breaker.open, &state.paused) {
        _ if state.volatile.termination.is_some() => Some("stopping".to_owned()),
        (Some(trip), _) => Some(format!("breaker open: {}", trip.reason)),
        (None, Some(word)) => Some(format!("paused by {}", word.by)),
        (None, None) => seen.and_then(|seen| seen.stop.clone().or(seen.danger.clone()).or(seen.no_room.clone())),
    };
    let line = counts.chain(stopped).collect::<Vec<_>>().join(", ");
    if line.is_empty() { "idle".to_owned() } else { line }
}
