//! The shell: one process per hub that feeds the decision and performs what it asks for.
//!
//! # Theory of operation
//!
//! One thread decides and performs; the others only send it [`Message`]s: the watcher, the signals,
//! and one thread per worker that waits for its end. Each message becomes inputs, each input a call
//! of [`step`]. Nothing is begun that the saved state does not know as pending ([`Effect::needs_saving`]), and
//! the state is saved before anybody is waited for. Results go back in as inputs before anything else is done, a look
//! at the world comes last. So at most one thing is under way at any moment, and a crash leaves only actions whose
//! result nobody knows: each is checked by the next process.
//!
//! Nothing here decides what is done.

mod ended;
mod holder;
mod observe;
mod options;
mod saving;
pub mod vouch;
pub(in crate::coordinator) mod watch;

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use super::executor::perform::Hands;
use super::executor::workers::Workers;
use super::inbox::{self, Answer};
use super::retention;
use super::state::input::{Effect, How, Input, Leave, Seat, View};
use super::state::store;
use super::state::{Phase, State};
use super::step::{next_wake, step};
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result};
use crate::exec;
use crate::hub::Hub;
use crate::hub::transaction::temporary;
use crate::ops::session::boot;
pub use ended::Ended;
pub use holder::{LOCK, frozen, holder};
use holder::{RUNNING, running};
use options::{LONG, read_again, rules};
pub use options::{Options, Preview, preview};
use saving::Saving;
use watch::{Own, Watcher, What};

/// After a change was acted upon, further ones are gathered for so long.
const WINDOW: Duration = Duration::from_millis(20);

/// What the other threads send.
#[derive(Debug)]
pub enum Message {
    Changed(Vec<(What, PathBuf)>),
    /// The system lost count of the changes: look at everything.
    Overflow,
    /// A worker's process has ended, or its lock is free.
    Ended(String),
    Signal,
}

/// A line for those who watch.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Progress {
    pub job: Option<String>,
    pub run: Option<String>,
    pub task: Option<String>,
    pub step: Option<String>,
    pub seat: Option<String>,
    pub text: String,
}

/// Runs the coordinator of a hub until it is told to end, or has nothing to do.
///
/// # Errors
/// `coordinator.running` (exit 3), which names the holder; a saved state that cannot be used; what is wrong with
/// the record, when it ends because that cannot be read.
pub fn run(hub: Hub, options: Options, tell: &mut dyn FnMut(&Progress)) -> Result<Ended> {
    let path = hub.local(LOCK);
    let Some(lock) = FileLock::try_acquire(&path, "coordinator run")? else { return Err(running(&path).into()) };
    exec::set_busy_since(Some(hub.now().unix()));
    if !options.errand {
        // Off its branch, or damaged, the record takes nothing: that is said at once, not after every attempt.
        let writer = hub.lock("start the coordinator")?;
        let _ = temporary::sweep(writer.hub()).inspect_err(|e| tracing::warn!("a temporary file stays: {e:#}"));
    }
    let (send, queue) = channel();
    listen(send.clone())?;
    let mut shell = Shell {
        manager: hub.settings()?.coordinator.manager.clone(),
        options,
        state: store::load(&hub)?,
        saving: Saving::default(),
        own: Own::default(),
        workers: Workers::new(send.clone()),
        watcher: Watcher::start(&hub, send)?,
        queue,
        effects: VecDeque::new(),
        signals: 0,
        gathered_until: Instant::now(),
        blinded: None,
        unreadable: false,
        leave: None,
        tell,
        lock,
        hub,
    };
    shell.begin()?;
    shell.serve()
}

/// Does what is left to be done where no coordinator runs: reads the inbox, settles, begins nothing,
/// waits for no worker. False when a coordinator runs, whose task that is.
pub fn errand(hub: &Hub, tell: &mut dyn FnMut(&Progress)) -> Result<bool> {
    let options = Options { errand: true, ..Options::default() };
    let own = Hub::find(Some(&hub.root), hub.clock)?;
    match run(own, options, tell) {
        Ok(_) => Ok(true),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == RUNNING) => Ok(false),
        Err(e) => Err(e),
    }
}

/// SIGTERM, SIGINT and SIGHUP become messages.
fn listen(queue: Sender<Message>) -> Result<()> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("listen for signals")?;
    std::thread::spawn(move || signals.forever().all(|_| queue.send(Message::Signal).is_ok()));
    Ok(())
}

struct Shell<'t> {
    hub: Hub,
    lock: FileLock,
    manager: String,
    options: Options,
    state: State,
    saving: Saving,
    own: Own,
    workers: Workers,
    watcher: Watcher,
    queue: Receiver<Message>,
    effects: VecDeque<Effect>,
    signals: u32,
    gathered_until: Instant,
    /// Why the last look that failed did.
    blinded: Option<anyhow::Error>,
    /// The settings file cannot be read: workers could not read it either, so nothing starts.
    unreadable: bool,
    leave: Option<Leave>,
    tell: &'t mut dyn FnMut(&Progress),
}

impl Shell<'_> {
    fn begin(&mut self) -> Result<()> {
        inbox::sweep(&self.hub);
        if !self.options.errand {
            let root = self.hub.root.display();
            self.report(format!("coordinating {root} (end with Ctrl-C, or: teof coordinator stop)"));
        }
        let rules = rules(self.hub.settings()?, self.options);
        if !self.options.errand {
            self.retire_worktrees();
        }
        self.feed(Input::Started(rules));
        // Words about a result come after what is known of it.
        self.ask_runs();
        self.read_inbox();
        Ok(())
    }

    fn serve(mut self) -> Result<Ended> {
        loop {
            // Whoever deletes the lock's file lets a second coordinator start beside this one.
            self.lock.check()?;
            self.drain()?;
            if let Some(leave) = self.leave {
                self.publish(true);
                return match (leave, self.blinded) {
                    (Leave::Blind, Some(why)) => Err(why),
                    _ => Ok(Ended::of(self.state, leave)),
                };
            }
            self.publish(false);
            exec::set_busy_since(None);
            let (patience, projection) = (self.patience(), self.projection_due());
            let heard = self.queue.recv_timeout(patience.min(projection));
            exec::set_busy_since(Some(self.hub.now().unix()));
            match heard {
                Ok(message) => self.gather(message),
                Err(RecvTimeoutError::Timeout) if projection < patience => {}
                Err(RecvTimeoutError::Timeout) => self.tick(),
                Err(RecvTimeoutError::Disconnected) => anyhow::bail!("the coordinator's threads are gone"),
            }
        }
    }

    fn feed(&mut self, input: Input) {
        self.effects.extend(step(&mut self.state, input, self.hub.now()));
    }

    /// A job's own actions go before reports, a look comes after everything.
    fn next_effect(&mut self) -> Option<Effect> {
        let rank = |effect: &Effect| match effect {
            Effect::Say { .. } | Effect::Tell { .. } | Effect::Answer { .. } => 0,
            Effect::Do { action, .. } if action.job().is_some() => 1,
            Effect::Do { .. } => 2,
            Effect::Look { .. } => 3,
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
                let mut hands = Hands { hub, manager, own, workers };
                let reply = hands.perform(id, &action, check, state);
                self.feed(Input::Reply { id, reply });
            }
            Effect::Look { remote } => {
                let view = match self.unreadable {
                    true => read_again(&self.hub).map(drop),
                    false => Ok(()),
                };
                let errand = self.options.errand;
                let view =
                    view.and_then(|()| observe::look_and_tell(&self.hub, &self.manager, &self.state, remote, errand));
                let view = view.unwrap_or_else(|e| self.blind(e));
                self.feed(Input::View(view));
            }
            Effect::Tell { run, how, .. } => {
                if let Err(e) = self.workers.tell(&self.hub, &run, how) {
                    self.report(format!("{run} was not told to end: {e:#}"));
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
    fn blind(&mut self, why: anyhow::Error) -> View {
        let stop = format!("the record cannot be read: {why:#}");
        if self.blinded.as_ref().is_none_or(|known| known.to_string() != why.to_string()) {
            self.report(stop.clone());
        }
        self.blinded = Some(why);
        View {
            seq: self.state.life.results,
            stop: Some(stop),
            blind: true,
            holds: self.state.live_jobs().map(|job| job.task.clone()).collect(),
            seats: vec![Seat { id: self.manager.clone(), daily_limit: None }],
            ..View::default()
        }
    }

    /// How long nothing needs to be done.
    fn patience(&self) -> Duration {
        if self.saving.failing_since.is_some() {
            return saving::AGAIN;
        }
        next_wake(&self.state).map_or(LONG, |at| at.since(self.hub.now())).min(LONG)
    }

    /// The first change is acted upon at once; those that follow within the window, together.
    fn gather(&mut self, first: Message) {
        let mut messages = vec![first];
        loop {
            let wait = self.gathered_until.saturating_duration_since(Instant::now());
            match self.queue.recv_timeout(wait) {
                Ok(message) => messages.push(message),
                Err(_) => break,
            }
        }
        self.hear(messages);
        self.gathered_until = Instant::now() + WINDOW;
    }

    fn hear(&mut self, messages: Vec<Message>) {
        let mut heard = Vec::new();
        for message in messages {
            match message {
                Message::Changed(paths) => {
                    heard.extend(paths.into_iter().filter(|(_, path)| !self.own.wrote(path)).map(|(what, _)| what));
                }
                Message::Overflow => heard.extend([What::Folders, What::Settings, What::Runs, What::Inbox]),
                Message::Ended(run) => {
                    self.workers.ended(&run);
                    self.ask_run(&run);
                }
                Message::Signal => self.signal(),
            }
        }
        let has = |what| heard.contains(&what);
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

    /// The safety poll: whatever the watcher may have missed is looked at as well.
    fn tick(&mut self) {
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

    fn retire_worktrees(&mut self) {
        for line in retention::retire(&self.hub, &self.state) {
            self.report(line);
        }
    }

    fn signal(&mut self) {
        self.signals += 1;
        match self.signals {
            1 => {
                self.report("ending: workers finish their stage; once more to end them now".into());
                self.feed(Input::Terminate(How::Stage));
            }
            2 => {
                self.report("ending: workers are ended now; once more to leave without waiting".into());
                self.feed(Input::Terminate(How::Now));
            }
            _ => self.leave = Some(Leave::Stopped),
        }
    }

    fn settings_changed(&mut self) {
        let fresh = read_again(&self.hub);
        self.unreadable = fresh.is_err();
        match fresh {
            Ok(hub) => {
                self.hub = hub;
                if let Err(e) = self.watcher.follow(&self.hub) {
                    self.report(format!("what is watched stays as it was: {e:#}"));
                }
                if let Ok(settings) = self.hub.settings() {
                    let rules = rules(settings, self.options);
                    self.feed(Input::Settings(rules));
                }
            }
            Err(e) => self.report(format!("nothing more starts until the settings can be read: {e:#}")),
        }
    }

    fn read_inbox(&mut self) {
        let (letters, told) = vouch::read(&self.hub);
        told.into_iter().for_each(|text| self.report(text));
        for (id, letter) in letters {
            self.feed(Input::Command { id, word: letter.word, command: letter.command });
        }
    }

    fn ask_runs(&mut self) {
        let runs: Vec<_> = self.state.live_jobs().filter(|job| job.takes_a_slot()).map(|job| job.run_id()).collect();
        runs.iter().for_each(|run| self.ask_run(run));
    }

    fn ask_run(&mut self, run: &str) {
        let job = self.state.live_jobs().find(|job| job.run_id() == run).cloned();
        let Some(job) = job.filter(|job| matches!(job.phase, Phase::Running { .. } | Phase::Spawning)) else { return };
        match self.workers.fares(&self.hub, &job, run) {
            Ok(is) => self.feed(Input::Run { run: run.to_owned(), is }),
            Err(e) => self.report(format!("it cannot be told how {run} fares: {e:#}")),
        }
    }

    /// Sessions of those who have work under way are kept fresh.
    fn renew_sessions(&mut self) {
        let mut seats: Vec<_> =
            self.state.live_jobs().filter(|job| job.takes_a_slot()).map(|job| job.seat.clone()).collect();
        if !seats.is_empty() {
            seats.push(self.manager.clone());
        }
        seats.sort();
        seats.dedup();
        for seat in seats {
            if let Err(e) = boot::renew(&self.hub, &seat) {
                self.report(format!("the session of {seat} was not renewed: {e:#}"));
            }
        }
    }

    fn say(&mut self, job: Option<&str>, text: String) {
        let job = job.and_then(|job| self.state.job(job));
        let progress = Progress {
            job: job.map(|job| job.id.clone()),
            run: job.map(|job| job.run_id()),
            task: job.map(|job| job.task.clone()),
            step: job.and_then(|job| job.step.clone()),
            seat: job.map(|job| job.seat.clone()),
            text,
        };
        (self.tell)(&progress);
    }

    fn report(&mut self, text: String) {
        (self.tell)(&Progress { text, ..Progress::default() });
    }
}
