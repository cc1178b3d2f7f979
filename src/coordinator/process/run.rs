//! Runs the coordinator of a hub: one process that feeds the decision and performs the requested effects.
//!
//! # Theory of operation
//!
//! One thread decides and performs; the others only send it messages: the watcher, the signals, and one thread per
//! worker that waits for its end. Each message becomes inputs, each input a call of
//! [`step`](crate::coordinator::step::step). Nothing starts that the saved state does not know as pending
//! ([`needs_saving`](crate::coordinator::state::input::Effect::needs_saving)), and the state is saved before anybody is
//! waited for. Results go back in as inputs before anything else is done, an observation of the world comes last. So at
//! most one thing runs at any moment, and a crash leaves only pending actions, which the next process checks. The
//! record's commit runs in a thread of its own, because it can take seconds: until it ends no other action starts, and
//! only people's commands and workers' ends are handled.
//!
//! Nothing here decides what to do.

use std::collections::{BTreeSet, VecDeque};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::{Handle, Signals};

use super::ended::Ended;
use super::holder::{RUNNING, running, take_lock};
use super::numbers;
use super::options::{LONG, Options, config};
use super::saving::{self, Saving};
use super::service::clock::Reading;
use super::service::facts::Facts;
use super::service::supervisor::Supervisor;
use super::shell::{Progress, Shell};
use super::watch::Watcher;
use crate::base::{Refusal, Result};
use crate::coordinator::executor::own_writes::OwnWrites;
use crate::coordinator::executor::workers::Workers;
use crate::coordinator::inbox;
use crate::coordinator::message::Message;
use crate::coordinator::notifications::Deliverer;
use crate::coordinator::state::input::{Input, Leave};
use crate::coordinator::state::store;
use crate::coordinator::step::next_wake;
use crate::exec::{self, Turn};
use crate::hub::transaction::temporary;
use crate::hub::{Hub, Worktree, paths};
use crate::plans::reader::Reader;

/// After handling a change, further ones are collected for this long.
const WINDOW: Duration = Duration::from_millis(20);
/// How often the clocks are compared: a wait stands still while the machine sleeps, so what it waits for may be long
/// past.
const CLOCKS: Duration = Duration::from_secs(60);
/// How often the safety poll happens at most.
const SOONEST: Duration = Duration::from_secs(1);
/// How often commands and outcomes are looked for where files cannot be watched.
const POLL_FILES: Duration = Duration::from_secs(3);

/// Runs the coordinator of a hub until it is stopped or has nothing to do.
///
/// # Errors
/// `coordinator.running` (exit 3), which names the holder; an unusable saved state; an unreadable record; a
/// repository that git does not open.
pub fn run(hub: Hub, options: Options, tell: &mut dyn FnMut(&Progress)) -> Result<Ended> {
    let Some(lock) = take_lock(&hub, options.one_shot)? else {
        return Err(running(&hub.local(paths::COORDINATOR_LOCK)).into());
    };
    exec::publish_turn(Turn::Works(hub.now().unix()));
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
    let stops_at = options.stop_after.map(|span| hub.now().plus(span));
    let supervisor = if options.one_shot { Supervisor::default() } else { Supervisor::of_environment() };
    let facts = Facts {
        pid: std::process::id().cast_signed(),
        started_at: Some(hub.now()),
        is_supervised: supervisor.is_there(),
        ..Facts::default()
    };
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
        plans: Reader::default(),
        watcher: Watcher::start(&hub, send.clone())?,
        queue,
        committing: None,
        effects: VecDeque::new(),
        signals: 0,
        stops_at,
        is_time_over: false,
        has_terminal: is_at_terminal(),
        hung_up: None,
        supervisor,
        deliverer: Deliverer::default(),
        unreachable: BTreeSet::new(),
        send,
        facts,
        clocks: Reading::now(hub.clock),
        gathered_until: Instant::now(),
        usage_read: Instant::now(),
        unreadable: None,
        settings_unreadable: false,
        settings_wait: false,
        retired: None,
        polled: Instant::now(),
        ticked: Instant::now(),
        leave: None,
        unwritten: None,
        tell,
        lock,
        hub,
    };
    shell.begin()?;
    shell.serve()
}

/// One pass without a running coordinator: reads the inbox, finalizes jobs, starts nothing, waits for no worker.
/// `None` when a coordinator is running, which does this itself.
///
/// # Errors
/// As [`run`].
pub fn one_shot(hub: &Hub, tell: &mut dyn FnMut(&Progress)) -> Result<Option<Ended>> {
    let options = Options { one_shot: true, ..Options::default() };
    let own = Hub::find(Some(&hub.root), hub.clock)?;
    match run(own, options, tell) {
        Ok(ended) => Ok(Some(ended)),
        Err(e) if Refusal::of(&e).is_some_and(|refusal| refusal.code == RUNNING) => Ok(None),
        Err(e) => Err(e),
    }
}

/// `proj (record: /src/proj.record)`, or the folder that holds the project and its record.
fn place(hub: &Hub) -> String {
    let main = Worktree::main_of(&hub.common_dir).map(|main| main.root).filter(|main| *main != hub.root);
    let root = hub.root.display();
    match main.as_deref().and_then(Path::file_name) {
        Some(name) => format!("{} (record: {root})", name.to_string_lossy()),
        None => root.to_string(),
    }
}

/// Whether somebody may read what we print or type what we read. False once the terminal was closed.
pub(super) fn is_at_terminal() -> bool {
    std::io::stderr().is_terminal() || std::io::stdin().is_terminal()
}

/// SIGTERM, SIGINT and SIGHUP become messages until this is dropped.
struct Listening(Handle);

impl Listening {
    fn start(queue: Sender<Message>) -> Result<Listening> {
        let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP]).context("listen for signals")?;
        let handle = signals.handle();
        let message = |signal| if signal == SIGHUP { Message::HangUp } else { Message::Signal };
        let listen = move || signals.forever().all(|signal| queue.send(message(signal)).is_ok());
        std::thread::Builder::new().spawn(listen).context("listen for signals")?;
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
            self.report(format!("coordinating {}; stop with Ctrl-C", place(&self.hub)));
            self.facts.polling = self.watcher.polls_because().map(str::to_owned);
            self.report_polling();
            self.facts.write(&self.hub);
        }
        let config = config(&self.hub, &self.options, self.watcher.polls_because().is_some())?;
        if !self.options.one_shot {
            self.remove_containers();
            self.retire_old();
        }
        self.feed(Input::Started(config));
        self.tell_alerts();
        // Commands about a result come after its outcome.
        self.ask_runs();
        self.read_inbox();
        Ok(())
    }

    fn serve(mut self) -> Result<Ended> {
        loop {
            self.check_place()?;
            self.stop_when_time_is_over();
            self.drain()?;
            self.supervisor.alive();
            self.supervisor.ready();
            if let Some(leave) = self.leave {
                self.publish(true);
                let unwritten = self.unwritten;
                return match (leave, self.unreadable) {
                    (Leave::Unreadable, Some(why)) => Err(why),
                    (Leave::Stopped, _) if self.is_time_over => Ok(Ended::of(self.state, Leave::TimeOver, unwritten)),
                    _ => Ok(Ended::of(self.state, leave, unwritten)),
                };
            }
            self.publish(false);
            self.tell_stopping();
            self.tell_supervisor();
            // A commit that does not end keeps everything waiting.
            exec::publish_turn(match self.committing {
                Some(since) => Turn::Works(since.unix()),
                None => Turn::Waits(self.hub.now().unix()),
            });
            let (patience, poll) = (self.patience(), self.files_poll_due());
            let sign = self.supervisor.until_sign().unwrap_or(LONG);
            let wait = patience.min(self.projection_due()).min(sign).min(poll).min(CLOCKS).min(self.usage_due());
            let wait = wait.min(self.time_left()).min(self.tick_due());
            let began = Instant::now();
            let heard = self.queue.recv_timeout(wait);
            exec::publish_turn(Turn::Works(self.hub.now().unix()));
            self.check_clocks();
            self.read_usage();
            let has_waited = began.elapsed() >= patience;
            match heard {
                Ok(message) => self.gather(message),
                // Never disconnected, as we hold a sender ourselves: the time is over for one of the above.
                Err(_) if has_waited => self.tick(),
                Err(_) if self.files_poll_due().is_zero() => self.poll_files(),
                Err(_) => {}
            }
            // Messages and shorter waits may come more often than it.
            if self.tick_due().is_zero() {
                self.tick();
            }
        }
    }

    /// How long until the safety poll is due.
    fn tick_due(&self) -> Duration {
        self.state.volatile.poll.max(SOONEST).saturating_sub(self.ticked.elapsed())
    }

    /// Checks that the hub is where it was, and that the lock's file is there: else a second coordinator could start.
    ///
    /// # Errors
    /// `hub.moved` and `lock.deleted`. Nothing may be written then, because it would be lost.
    fn check_place(&self) -> Result<()> {
        if self.hub.root.is_dir() && self.hub.common_dir.is_dir() {
            return self.lock.check();
        }
        let root = self.hub.root.display();
        Err(Refusal::guard("hub.moved", format!("the repository is no longer at {root}"))
            .because("it was moved, renamed or unmounted while the coordinator ran")
            .next("start the coordinator where the repository is now: teof --root PATH coordinator run")
            .next("or mount it again, and check it: teof doctor")
            .into())
    }

    /// How long until commands and outcomes are looked for, where files cannot be watched.
    fn files_poll_due(&self) -> Duration {
        self.watcher.polls_because().map_or(LONG, |_| POLL_FILES.saturating_sub(self.polled.elapsed()))
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
