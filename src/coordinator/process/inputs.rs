//! Turns messages, signals and polls into inputs of the decision.

use super::options::{config, read_again};
use super::shell::Shell;
use super::vouch;
use crate::coordinator::message::{Message, What};
use crate::coordinator::state::Phase;
use crate::coordinator::state::input::{How, Input, Leave};
use crate::model::run::job_name::short;
use crate::ops::session::boot;

impl Shell<'_> {
    pub(super) fn receive(&mut self, messages: Vec<Message>) {
        let mut changes = Vec::new();
        for message in messages {
            match message {
                Message::Changed(paths) => {
                    changes.extend(paths.into_iter().filter(|(_, path)| !self.own.wrote(path)).map(|(what, _)| what));
                }
                Message::Overflow => changes.extend([What::Folders, What::Settings, What::Runs, What::Inbox]),
                Message::Ended(run) => {
                    self.workers.ended(&run);
                    self.ask_run(&run);
                }
                Message::Signal => self.signal(),
            }
        }
        let has = |what| changes.contains(&what);
        if has(What::Folders) {
            self.watcher.arm();
        }
        if has(What::Settings) {
            self.settings_changed();
        }
        if has(What::Inbox) {
            self.read_inbox();
        }
        if has(What::Runs) {
            self.ask_runs();
        }
        if has(What::World) || has(What::Folders) || has(What::Settings) {
            self.feed(Input::Woken);
        }
    }

    /// The safety poll: also checks what the watcher may have missed.
    pub(super) fn tick(&mut self) {
        if self.saving.failing_since.is_some() {
            return;
        }
        self.watcher.arm();
        self.read_inbox();
        self.ask_runs();
        self.renew_sessions();
        self.retire_worktrees();
        self.feed(Input::Tick);
    }

    pub(super) fn signal(&mut self) {
        self.signals += 1;
        match self.signals {
            1 => {
                self.report_urgently("Stopping after the current stage; press Ctrl-C again to stop now");
                self.feed(Input::Terminate(How::Stage));
            }
            2 => {
                self.report_urgently("Stopping now; press Ctrl-C again to exit without waiting");
                self.feed(Input::Terminate(How::Now));
            }
            _ => self.leave = Some(Leave::Stopped),
        }
    }

    pub(super) fn settings_changed(&mut self) {
        let fresh = read_again(&self.hub);
        self.settings_unreadable = fresh.is_err();
        match fresh {
            Ok(hub) => {
                self.hub = hub;
                if let Err(e) = self.watcher.follow(&self.hub) {
                    self.report(format!("cannot update the watched folders: {e:#}"));
                }
                if let Ok(settings) = self.hub.settings() {
                    let config = config(settings, &self.options);
                    self.feed(Input::Settings(config));
                }
            }
            Err(e) => self.report(format!("no new work starts until the settings can be read: {e:#}")),
        }
    }

    pub(super) fn read_inbox(&mut self) {
        let (letters, told) = vouch::read(&self.hub);
        told.into_iter().for_each(|text| self.report(text));
        for (id, letter) in letters {
            self.feed(Input::Command { id, word: letter.word, command: letter.command });
        }
    }

    pub(super) fn ask_runs(&mut self) {
        let runs: Vec<_> = self.state.live_jobs().filter(|job| job.takes_a_slot()).map(|job| job.run_id()).collect();
        runs.iter().for_each(|run| self.ask_run(run));
    }

    pub(super) fn ask_run(&mut self, run: &str) {
        let job = self.state.live_jobs().find(|job| job.run_id() == run).cloned();
        let Some(job) = job.filter(|job| matches!(job.phase, Phase::Running { .. } | Phase::Spawning)) else { return };
        match self.workers.run_state(&self.hub, &job, run) {
            Ok(is) => self.feed(Input::Run { run: run.to_owned(), is }),
            Err(e) => self.report(format!("cannot read the state of {}: {e:#}", short(run))),
        }
    }

    /// Renews the sessions of seats with running work.
    pub(super) fn renew_sessions(&mut self) {
        let mut seats: Vec<_> =
            self.state.live_jobs().filter(|job| job.takes_a_slot()).map(|job| job.seat.clone()).collect();
        if !seats.is_empty() {
            seats.push(self.manager.clone());
        }
        seats.sort();
        seats.dedup();
        for seat in seats {
            if let Err(e) = boot::renew(&self.hub, &seat) {
                self.report(format!("cannot renew the session of {seat}: {e:#}"));
            }
        }
    }
}
