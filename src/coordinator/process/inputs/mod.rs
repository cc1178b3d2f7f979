//! Turns messages, signals and polls into inputs of the decision.

mod alerts;

use std::time::{Duration, Instant};

use super::observe::one_line;
use super::options::{LONG, config};
use super::run::is_at_terminal;
use super::service::clock::{self, Reading};
use super::service::facts::Reload;
use super::service::reload::{self, Read};
use super::shell::Shell;
use super::vouch;
use crate::coordinator::executor::workers;
use crate::coordinator::message::{Message, What};
use crate::coordinator::state::input::{Action, Command, How, Input, Leave, Reply, ReviewWord};
use crate::coordinator::state::{Job, Pending, Phase};
use crate::coordinator::step::obstacle;
use crate::hub::settings::notify::Topic;
use crate::model::run::job_name::short;
use crate::ops::session::boot;

/// How often running workers' usage is read while the day has a budget.
const USAGE_EVERY: Duration = Duration::from_secs(3);
/// The same without a budget, for what their agents say of their limits.
const QUOTAS_EVERY: Duration = Duration::from_secs(30);
/// Within this time several SIGHUPs mean one closed terminal.
const SAME_HANGUP: Duration = Duration::from_secs(1);

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
                Message::Notified { action, to, failed } => self.notified(action, to, failed),
                Message::Done { id, reply } => {
                    let is_commit = |one: &&Pending| one.id == id && one.action == Action::Commit;
                    if self.state.pending.iter().any(|one| is_commit(&one)) {
                        self.committing = None;
                    }
                    self.feed(Input::Reply { id, reply });
                }
                Message::Signal => self.signal(),
                Message::HangUp if self.has_terminal && !is_at_terminal() => self.hang_up(),
                Message::HangUp => {
                    self.supervisor.reloading();
                    self.settings_changed(true);
                    self.supervisor.reloaded();
                    self.feed(Input::Woken);
                }
            }
        }
        let has = |what| changes.contains(&what);
        if has(What::Folders) {
            self.arm();
        }
        // A grant may be what the settings waited for.
        if has(What::Settings) || (has(What::World) && self.settings_wait) {
            self.settings_changed(false);
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
        self.ticked = Instant::now();
        if self.saving.failing_since.is_some() {
            return;
        }
        self.arm();
        self.poll_files();
        if self.committing.is_some() {
            return self.feed(Input::Tick);
        }
        self.tell_alerts();
        self.renew_sessions();
        self.retire_old();
        self.feed(Input::Tick);
    }

    /// A failure is told once, until a delivery to that receiver succeeds again.
    fn notified(&mut self, action: u64, to: String, failed: Option<String>) {
        let reply = match failed {
            None => {
                self.unreachable.remove(&to);
                Reply::Done
            }
            Some(why) => {
                if self.unreachable.insert(to.clone()) {
                    self.report(format!("cannot notify {to}: {why}; later failures are not reported"));
                }
                Reply::Failed { why }
            }
        };
        self.feed(Input::Reply { id: action, reply });
    }

    /// Commands and outcomes that the watcher may have missed.
    pub(super) fn poll_files(&mut self) {
        self.polled = Instant::now();
        self.read_inbox();
        self.ask_runs();
    }

    pub(super) fn signal(&mut self) {
        self.signals += 1;
        match self.signals {
            1 => {
                let works = self.state.jobs.iter().any(|job| matches!(job.phase, Phase::Running { .. }));
                self.report_urgently(match works {
                    true => "Stopping after the current stage; press Ctrl-C again to stop now",
                    false => "Stopping",
                });
                self.feed(Input::Terminate(How::Stage));
            }
            2 => {
                self.report_urgently("Stopping now; press Ctrl-C again to exit without waiting");
                self.feed(Input::Terminate(How::Now));
            }
            _ => self.leave = Some(Leave::Stopped),
        }
    }

    /// How much is left of the time that this run was given.
    pub(super) fn time_left(&self) -> Duration {
        self.stops_at.map_or(LONG, |at| at.since(self.hub.now()))
    }

    /// What the first Ctrl-C does, once.
    pub(super) fn stop_when_time_is_over(&mut self) {
        if self.stops_at.is_none_or(|at| self.hub.now() < at) {
            return;
        }
        self.stops_at = None;
        // Who has asked it to stop already is answered as such.
        if self.signals == 0 && self.state.volatile.termination.is_none() {
            self.is_time_over = true;
            self.report_urgently("The time is over");
            self.signal();
        }
    }

    /// The terminal was closed. A shell that ends because of that sends SIGHUP once more to what it started.
    fn hang_up(&mut self) {
        let first = *self.hung_up.get_or_insert_with(Instant::now);
        if self.signals == 0 || first.elapsed() > SAME_HANGUP {
            self.signal();
        }
    }

    /// Publishes that it stops, or why no job starts.
    pub(super) fn tell_stopping(&mut self) {
        let is_stopping = self.state.volatile.termination.is_some();
        let obstacle = obstacle(&self.state);
        if is_stopping != self.facts.is_stopping || obstacle != self.facts.obstacle {
            (self.facts.is_stopping, self.facts.obstacle) = (is_stopping, obstacle);
            self.facts.write(&self.hub);
        }
    }

    /// Watches what can be watched; says so when that changes.
    fn arm(&mut self) {
        self.watcher.arm();
        let polling = self.watcher.polls_because().map(str::to_owned);
        if polling == self.facts.polling {
            return;
        }
        let changes_speed = polling.is_some() != self.facts.polling.is_some();
        self.facts.polling = polling;
        self.facts.write(&self.hub);
        if changes_speed {
            self.report_polling();
            self.configure();
        }
    }

    pub(super) fn report_polling(&mut self) {
        match &self.facts.polling {
            Some(why) => self.report(format!("polling files instead of watching them: {why}")),
            None if self.facts.has_polled => self.report("watching files again".into()),
            None => {}
        }
        self.facts.has_polled |= self.facts.polling.is_some();
    }

    /// Passes the settings on to the decision.
    fn configure(&mut self) {
        if let Ok(config) = config(&self.hub, &self.options, self.facts.polling.is_some()) {
            self.feed(Input::Settings(config));
        }
    }

    /// Looks at everything again after the clock was set or the machine slept: leases and sessions may be about to
    /// expire, and what was to be watched may have changed.
    pub(super) fn check_clocks(&mut self) {
        let before = std::mem::replace(&mut self.clocks, Reading::now(self.hub.clock));
        let Some(jump) = before.zip(self.clocks).and_then(|(before, now)| clock::jump(before, now)) else { return };
        self.report(format!("{}; checking everything again", jump.describe()));
        self.facts.jumped(jump);
        self.facts.write(&self.hub);
        self.renew_sessions();
        self.ask_runs();
        self.feed(Input::Woken);
    }

    /// Reads the settings again; `asked`: a person wants to know the result, whatever it is.
    pub(super) fn settings_changed(&mut self, asked: bool) {
        let read = reload::read(&self.hub);
        (self.settings_unreadable, self.settings_wait) = (read.is_err(), matches!(read, Ok(Read::NotGranted(_))));
        let at = self.hub.now();
        let (text, reload) = match read {
            Ok(Read::Same) => (
                "the settings on disk are in force; none changed".to_owned(),
                Reload { at, changed: Vec::new(), refused: None },
            ),
            Ok(Read::Changed(hub, changed)) => {
                self.hub = *hub;
                if let Err(e) = self.watcher.follow(&self.hub) {
                    self.report(format!("cannot update the watched folders: {e:#}"));
                }
                self.configure();
                let restart = changed.iter().any(|name| name.starts_with("coordinator.manager:"));
                let restart = if restart { "; the seat of a coordinator changes at its next start" } else { "" };
                (format!("settings changed: {}{restart}", changed.join(", ")), Reload { at, changed, refused: None })
            }
            Ok(Read::NotGranted(changed)) => {
                let why = "a person must grant the changed settings: teof consent grant".to_owned();
                let text = format!("the old settings stay in force, and no job starts: {why} ({})", changed.join(", "));
                (text, Reload { at, changed, refused: Some(why) })
            }
            Err(e) => {
                let why = one_line(&e);
                let text = format!("the old settings stay in force, and no job starts: {why}");
                (text, Reload { at, changed: Vec::new(), refused: Some(why) })
            }
        };
        // One change of the file may be noticed several times.
        let known = self.facts.settings.as_ref();
        let was_refused = known.is_some_and(|known| known.refused.is_some());
        let is_news = match &reload.refused {
            None => !reload.changed.is_empty() || was_refused,
            Some(_) => known.is_none_or(|known| (&known.refused, &known.changed) != (&reload.refused, &reload.changed)),
        };
        if asked || is_news {
            if reload.refused.is_some() {
                self.feed(Input::Noticed { topic: Topic::Problem, job: None, text: text.clone() });
            }
            self.report(text);
            self.facts.settings = Some(reload);
            self.facts.write(&self.hub);
        }
    }

    pub(super) fn read_inbox(&mut self) {
        let (letters, told) = vouch::read(&self.hub);
        told.into_iter().for_each(|text| self.report(text));
        for (id, letter) in letters {
            if let Command::Reviewed { job, run, word: word @ (ReviewWord::Merged { .. } | ReviewWord::Rejected) } =
                &letter.command
                && self.state.job(job).is_none()
            {
                match vouch::decision(&self.hub, job, run, word) {
                    Ok(Some((decision, title))) => self.feed(Input::Unknown { decision: Box::new(decision), title }),
                    Ok(None) => {}
                    Err(e) => {
                        self.report(format!("command {id} waits: cannot read the record: {e:#}"));
                        continue;
                    }
                }
            }
            self.feed(Input::Command { id, word: letter.word, command: letter.command });
        }
    }

    pub(super) fn ask_runs(&mut self) {
        let runs: Vec<_> = self.state.live_jobs().filter(|job| job.takes_a_slot()).map(|job| job.run_id()).collect();
        runs.iter().for_each(|run| self.ask_run(run));
    }

    /// How long until the usage of running workers is due.
    pub(super) fn usage_due(&self) -> Duration {
        let Some(config) = &self.state.volatile.config else { return LONG };
        let runs = |job: &Job| matches!(job.phase, Phase::Running { .. });
        let every = match () {
            () if !self.state.jobs.iter().any(runs) => return LONG,
            () if config.day_tokens > 0 || config.day_cost > 0.0 => USAGE_EVERY,
            // Commands have no quota.
            () if config.quota_threshold > 0 && self.state.jobs.iter().any(|job| runs(job) && job.work.staged) => {
                QUOTAS_EVERY
            }
            () => return LONG,
        };
        every.saturating_sub(self.usage_read.elapsed())
    }

    /// Reads what running workers have used, so that the day's budget stops them in the middle of a call, and what
    /// their agents say of their limits.
    pub(super) fn read_usage(&mut self) {
        if !self.usage_due().is_zero() {
            return;
        }
        self.usage_read = Instant::now();
        let is_running = |job: &&Job| matches!(job.phase, Phase::Running { .. });
        let runs: Vec<_> = self.state.jobs.iter().filter(is_running).map(Job::run_id).collect();
        for run in runs {
            let Some(live) = workers::live(&self.hub, &run) else { continue };
            self.feed(Input::Used { run, tokens: live.run_tokens, cost: live.run_cost_usd.unwrap_or(0.0) });
            if live.quotas.iter().any(|(agent, quotas)| self.state.quotas.get(agent) != Some(quotas)) {
                self.feed(Input::Quotas(live.quotas));
            }
        }
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
