//! Runs the coordinator of a hub: one process that feeds the decision and performs the requested effects.
//!
//! # Theory of operation
//!
//! One thread decides and performs; the others only send it messages: the watcher, the signals,
//! and one thread per worker that waits for its end. Each message becomes inputs, each input a call
//! of [`step`](crate::coordinator::step::step). Nothing starts that the saved state does not know as pending ([`needs_saving`](crate::coordinator::state::input::Effect::needs_saving)), and
//! the state is saved before anybody is waited for. Results go back in as inputs before anything else is done, an observation
//! of the world comes last. So at most one thing runs at any moment, and a crash leaves only actions whose
//! result nobody knows: each is checked by the next process.
//!
//! Nothing here decides what to do.

use std::collections::VecDeque;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::ended::Ended;
use super::holder::{RUNNING, running};
use super::numbers;
use super::options::{LONG, Options, config};
use super::saving::{self, Saving};
use super::shell::{Progress, Shell};
use super::watch::Watcher;
use crate::base::lock::FileLock;
use crate::base::{Refusal, Result};
use crate::coordinator::executor::own_writes::OwnWrites;
use crate::coordinator::executor::workers::Workers;
use crate::coordinator::inbox;
use crate::coordinator::message::Message;
use crate::coordinator::state::input::{Input, Leave};
use crate::coordinator::state::store;
use crate::coordinator::step::next_wake;
use crate::exec;
use crate::hub::transaction::temporary;
use crate::hub::{Hub, paths};

/// After handling a change, further ones are collected for this long.
const WINDOW: Duration = Duration::from_millis(20);

/// Runs the coordinator of a hub until it is stopped or has nothing to do.
///
/// # Errors
/// `coordinator.running` (exit 3), which names the holder; an unusable saved state; an unreadable record; a
/// repository that git does not open.
pub fn run(hub: Hub, options: Options, tell: &mut dyn FnMut(&Progress)) -> Result<Ended> {
    let path = hub.local(paths::COORDINATOR_LOCK);
    let Some(lock) = FileLock::try_acquire(&path, "coordinator run")? else { return Err(running(&path).into()) };
    exec::set_busy_since(Some(hub.now().unix()));
    if !options.one_shot {
        // Every job opens the repository, so git's refusal is reported at once and not after each job's retries.
        git2::Repository::open(&hub.common_dir)?;
        // A damaged record, or one off its branch, accepts no writes: reported at once and not after every attempt.
        let writer = hub.lock("start the coordinator")?;
        let _ = temporary::sweep(writer.hub()).inspect_err(|e| tracing::warn!("cannot remove a temporary file: {e:#}"));
    }
    let manager = hub.settings()?.coordinator.manager.clone();
    let mut state = store::load(&hub)?;
    if !options.one_shot {
        state.last_job = numbers::highest(&hub, &manager, &state);
    }
    let (send, queue) = channel();
    // A one-shot starts nothing that must be stopped first: a signal ends its process, as at any other time.
    let _listening = (!options.one_shot).then(|| Listening::start(send.clone())).transpose()?;
    let mut shell = Shell {
        manager,
        options,
        state,
        saving: Saving::default(),
        own: OwnWrites::default(),
        workers: Workers::new(send.clone()),
        watcher: Watcher::start(&hub, send)?,
        queue,
        effects: VecDeque::new(),
        signals: 0,
        gathered_until: Instant::now(),
        unreadable: None,
        settings_unreadable: false,
        leave: None,
        tell,
        lock,
        hub,
    };
    shell.begin()?;
    shell.serve()
}

/// One pass without a running coordinator: reads the inbox, finalizes jobs, starts nothing, waits for no worker.
/// False when a coordinator is running, which does this itself.
pub fn one_shot(hub: &Hub, tell: &mut dyn FnMut(&Progress)) -> Result<bool> {
    let options = Options { one_shot: true, ..Options::default() };
    let own = Hub::find(Some(&hub.root), hub.clock)?;
    match run(own, options, tell) {
        Ok(_) => Ok(true),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == RUNNING) => Ok(false),
        Err(e) => Err(e),
    }
}

/// SIGTERM, SIGINT and SIGHUP become messages until this is dropped.
struct Listening(Handle);

impl Listening {
    fn start(queue: Sender<Message>) -> Result<Listening> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("listen for signals")?;
        let handle = signals.handle();
        std::thread::spawn(move || signals.forever().all(|_| queue.send(Message::Signal).is_ok()));
        Ok(Listening(handle))
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Shell<'_> {
    fn begin(&mut self) -> Result<()> {
        inbox::sweep(&self.hub);
        if !self.options.one_shot {
            let root = self.hub.root.display();
            self.report(format!("working in {root}; stop with Ctrl-C"));
        }
        let config = config(self.hub.settings()?, &self.options);
        if !self.options.one_shot {
            self.retire_worktrees();
        }
        self.feed(Input::Started(config));
        // Commands about a result come after its outcome.
        self.ask_runs();
        self.read_inbox();
        Ok(())
    }

    fn serve(mut self) -> Result<Ended> {
        loop {
            // If the lock's file is deleted, a second coordinator could start.
            self.lock.check()?;
            self.drain()?;
            if let Some(leave) = self.leave {
                self.publish(true);
                return match (leave, self.unreadable) {
                    (Leave::Unreadable, Some(why)) => Err(why),
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

    /// How long to wait for the next message.
    fn patience(&self) -> Duration {
        if self.saving.failing_since.is_some() {
            return saving::AGAIN;
        }
        next_wake(&self.state).map_or(LONG, |at| at.since(self.hub.now())).min(LONG)
    }

    /// The first change is handled at once; later ones within the window are handled together.
    fn gather(&mut self, first: Message) {
        let mut messages = vec![first];
        loop {
            let wait = self.gathered_until.saturating_duration_since(Instant::now());
            match self.queue.recv_timeout(wait) {
                Ok(message) => messages.push(message),
                Err(_) => break,
            }
        }
        self.receive(messages);
        self.gathered_until = Instant::now() + WINDOW;
    }
}
