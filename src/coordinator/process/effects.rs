//! Performs effects in their order. The state is saved before anything starts that is not in it; this module also
//! says what a process does that cannot save it.

use std::time::{Duration, Instant};

use super::observe;
use super::options::read_again;
use super::saving::{PATIENCE, PROJECTION_EVERY};
use super::shell::Shell;
use crate::base::Result;
use crate::coordinator::executor::context::Executor;
use crate::coordinator::executor::publish;
use crate::coordinator::inbox::{self, Answer};
use crate::coordinator::state::input::{Effect, Input, Leave, Seat, Snapshot};
use crate::exec;
use crate::model::run::job_name::short;

impl Shell<'_> {
    /// Performs what is to be done until nothing is. What the next process could not know of is saved first.
    ///
    /// # Errors
    /// Why the state cannot be saved, when this run does not wait until it can.
    pub(super) fn drain(&mut self) -> Result<()> {
        while !self.effects.is_empty() && self.leave.is_none() {
            let Some(effect) = self.next_effect() else { break };
            if effect.needs_saving(|action| self.saving.store.knows(action)) {
                if let Err(e) = self.saving.store.save(&self.hub, &self.state) {
                    self.effects.push_front(effect);
                    return self.cannot_save(e);
                }
                self.saving.failing_since = None;
            }
            self.perform(effect);
        }
        Ok(())
    }

    /// Saves the state, and writes projection and metrics when that is due or, `at_once`, in any case. Nothing is
    /// written when they say the same.
    pub(super) fn publish(&mut self, at_once: bool) {
        let saved = self.saving.store.save(&self.hub, &self.state);
        self.saving.is_outdated |= self.saving.store.take_news();
        if !self.saving.is_outdated || !(at_once || self.projection_due().is_zero()) {
            return;
        }
        (self.saving.is_outdated, self.saving.projected) = (false, Some(Instant::now()));
        if let Err(e) = saved.and_then(|()| publish::project(&self.hub, &self.manager, &self.state)) {
            self.report(format!("the state was not published: {e:#}"));
        }
    }

    /// How long the projection may stay as it is.
    pub(super) fn projection_due(&self) -> Duration {
        match self.saving.projected {
            _ if !self.saving.is_outdated => Duration::MAX,
            Some(at) => PROJECTION_EVERY.saturating_sub(at.elapsed()),
            None => Duration::ZERO,
        }
    }

    fn cannot_save(&mut self, why: anyhow::Error) -> Result<()> {
        let now = Instant::now();
        if self.saving.failing_since.is_none() {
            self.saving.failing_since = Some(now);
            self.report(format!("the state cannot be saved, so nothing is done: {why:#}"));
        }
        let told_to_stop = self.signals > 0 || self.effects.contains(&Effect::Exit(Leave::Stopped));
        if told_to_stop {
            self.leave_unsaved();
            return Ok(());
        }
        let gives_up = self.options.one_shot || (self.options.until_idle && self.saving.has_failed_for(PATIENCE, now));
        if gives_up { Err(why) } else { Ok(()) }
    }

    /// Workers are told to end, and not waited for: the next process finds out what became of them.
    fn leave_unsaved(&mut self) {
        let effects = std::mem::take(&mut self.effects);
        effects
            .into_iter()
            .filter(|effect| matches!(effect, Effect::StopWorker { .. }))
            .for_each(|tell| self.perform(tell));
        self.report("ending without having saved the state: the next run finds out what is not in it".into());
        self.leave = Some(Leave::Stopped);
    }

    /// A job's own actions go before reports, a look comes after everything.
    fn next_effect(&mut self) -> Option<Effect> {
        let rank = |effect: &Effect| match effect {
            Effect::Say { .. } | Effect::StopWorker { .. } | Effect::Answer { .. } => 0,
            Effect::Do { action, .. } if action.job().is_some() => 1,
            Effect::Do { .. } => 2,
            Effect::Observe { .. } => 3,
            Effect::Exit(_) => 4,
        };
        let first = self.effects.iter().enumerate().min_by_key(|(at, effect)| (rank(effect), *at));
        self.effects.remove(first?.0)
    }

    fn perform(&mut self, effect: Effect) {
        exec::set_busy_since(Some(self.hub.now().unix()));
        match effect {
            // What it was for has come about meanwhile.
            Effect::Do { id, .. } if !self.state.pending.iter().any(|pending| pending.id == id) => {}
            Effect::Do { id, action, check } => {
                let Shell { hub, manager, own, workers, state, .. } = self;
                let mut executor = Executor { hub, manager, own, workers };
                let reply = executor.perform(id, &action, check, state);
                self.feed(Input::Reply { id, reply });
            }
            Effect::Observe { remote } => {
                let snapshot = match self.settings_unreadable {
                    true => read_again(&self.hub).map(drop),
                    false => Ok(()),
                };
                let one_shot = self.options.one_shot;
                let snapshot = snapshot.and_then(|()| {
                    observe::observe_and_notify(&self.hub, &self.manager, &self.state, remote, one_shot)
                });
                let snapshot = snapshot.unwrap_or_else(|e| self.unreadable(e));
                self.feed(Input::Snapshot(snapshot));
            }
            Effect::StopWorker { run, how, .. } => {
                if let Err(e) = self.workers.stop(&self.hub, &run, how) {
                    self.report(format!("{} was not told to end: {e:#}", short(&run)));
                }
            }
            Effect::Answer { command, ok, text } => {
                if let Err(e) = inbox::answer(&self.hub, &command, &Answer { ok, text }) {
                    self.report(format!("the command {command} was not answered: {e:#}"));
                }
            }
            Effect::Say { job, text } => self.say(job.as_deref(), text),
            Effect::Exit(leave) => self.leave = Some(leave),
        }
    }

    /// What is seen when nothing can be seen: everything stays as it is.
    fn unreadable(&mut self, why: anyhow::Error) -> Snapshot {
        let stop = format!("the record cannot be read: {why:#}");
        if self.unreadable.as_ref().is_none_or(|known| known.to_string() != why.to_string()) {
            self.report(stop.clone());
        }
        self.unreadable = Some(why);
        Snapshot {
            seq: self.state.volatile.results,
            stop: Some(stop),
            unreadable: true,
            holds: self.state.live_jobs().map(|job| job.task.clone()).collect(),
            seats: vec![Seat { id: self.manager.clone(), daily_limit: None }],
            ..Snapshot::default()
        }
    }
}
