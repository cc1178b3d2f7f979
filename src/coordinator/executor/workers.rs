//! Starts and stops workers, and reports whether a run is alive, frozen, ended or gone.
//!
//! A worker outlives the coordinator, so nothing here relies on being its parent: the kernel (its lock, its mark)
//! shows whether it is alive, and its outcome file has the result. Being the parent only reports its end at once.

use std::collections::{HashMap, HashSet};
use std::fs::{File, OpenOptions};
use std::process::{Child, Stdio};
use std::sync::mpsc::{self, Sender};
use std::time::Instant;

use anyhow::Context;

use crate::base::{Result, env, files, lock};
use crate::coordinator::message::Message;
use crate::coordinator::state::Job;
use crate::coordinator::state::input::{How, RunState};
use crate::exec;
use crate::foreman::calls::notes;
use crate::hub::{Hub, paths};
use crate::model::run::live::Live;
use crate::model::run::outcome::{Outcome, Verdict};

/// The largest outcome that is read, in bytes.
const MAX_OUTCOME: u64 = 4 * 1024 * 1024;

/// More than a live file has, in bytes.
const MAX_LIVE: u64 = 64 * 1024;

/// Workers' output, machine-local.
pub const LOGS: &str = "coordinator/logs";

pub struct Workers {
    queue: Sender<Message>,
    /// Running children of this process, with their process ids.
    children: HashMap<String, i32>,
    /// Their activity at the last check.
    turns: HashMap<String, u64>,
    /// Runs of an earlier coordinator, whose end a thread waits for.
    awaited: HashSet<String>,
    /// How each was last asked to stop.
    stop_requests: HashMap<String, How>,
    /// The observed activity of each.
    signs: HashMap<String, Sign>,
}

/// A worker's observed activity, and when it last changed.
struct Sign {
    turns: u64,
    since: Instant,
    stopped: Option<Instant>,
}

impl Workers {
    pub fn new(queue: Sender<Message>) -> Self {
        let (children, turns, awaited, stop_requests, signs) = Default::default();
        Self { queue, children, turns, awaited, stop_requests, signs }
    }

    /// Starts the worker of a run, unless it is alive or over. `check`: it may have been started already.
    pub fn spawn(&mut self, hub: &Hub, job: &Job, run: &str, check: bool) -> Result<()> {
        let is = match check {
            true => self.run_state(hub, job, run)?,
            // It was not started since it paused, if it ever ran.
            false => outcome(hub, run)?.map_or(RunState::Gone, |outcome| RunState::Ended(Box::new(outcome))),
        };
        match is {
            RunState::Ended(outcome) if outcome.verdict == Verdict::Paused => {
                // It continues under the same name; its old outcome must not end it again.
                files::remove(&hub.local(&paths::outcome(run)))?;
            }
            RunState::Ended(_) | RunState::Alive | RunState::Frozen => return Ok(()),
            RunState::Gone => {}
        }
        files::remove(&hub.local(&paths::stop(run)))?;
        if let Some(answer) = &job.answer {
            notes::add(hub, &job.known_as(), "operator", answer)?;
        }
        let order = job.order.as_deref().context("a job has its order before it runs")?;
        let root = hub.root.display().to_string();
        let arguments = ["--root", &root, "foreman", "run", order, "--execute", "--unattended", "--run", run];
        let log = log(hub, run)?;
        let give = self.await_child(run)?;
        let child = exec::detached(&arguments)?
            .current_dir(&hub.root)
            .envs(marks(hub, run))
            .env_remove(env::RUN)
            // They are about the coordinator alone.
            .env_remove(env::NOTIFY_SOCKET)
            .env_remove(env::WATCHDOG_USEC)
            .env_remove(env::WATCHDOG_PID)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .context("start a worker")?;
        self.children.insert(run.to_owned(), child.id().cast_signed());
        drop(give.send(child));
        Ok(())
    }

    /// Waits for the end of the child that it is given. Begun before the child, which nobody would wait for if no more
    /// threads were available.
    fn await_child(&self, run: &str) -> Result<Sender<Child>> {
        let (give, take) = mpsc::channel::<Child>();
        let (queue, run) = (self.queue.clone(), run.to_owned());
        let wait = move || {
            if let Ok(mut child) = take.recv() {
                let _ = child.wait();
                let _ = queue.send(Message::Ended(run));
            }
        };
        std::thread::Builder::new().spawn(wait).context("start a worker")?;
        Ok(give)
    }

    /// Handles the end of a child, or the release of a run's lock.
    pub fn ended(&mut self, run: &str) {
        self.children.remove(run);
        self.turns.remove(run);
        self.awaited.remove(run);
        self.stop_requests.remove(run);
        self.signs.remove(run);
    }

    /// The current state of a run.
    pub fn run_state(&mut self, hub: &Hub, job: &Job, run: &str) -> Result<RunState> {
        if self.children.contains_key(run) {
            return self.alive_or_frozen(hub, run);
        }
        let lock = hub.local(&paths::run_lock(&job.task));
        let holds = lock::is_held(&lock)? && lock::holder(&lock).is_some_and(|note| note.contains(run));
        // A run without lock but with outcome is over: no process search needed.
        let mut found = if holds { None } else { outcome(hub, run)? };
        if holds || (found.is_none() && !exec::marked(&marks(hub, run)).is_empty()) {
            self.await_end(hub, job, run);
            return self.alive_or_frozen(hub, run);
        }
        if found.is_none() {
            // It may have died while writing its end; taking the lock completes that.
            if let Err(e) = hub.lock("complete the end of a run") {
                tracing::debug!("cannot complete it: {e:#}");
            }
            found = outcome(hub, run)?;
        }
        Ok(found.map_or(RunState::Gone, |outcome| RunState::Ended(Box::new(outcome))))
    }

    /// A worker without activity since [`Coordinator::poll_max`](crate::hub::settings::Coordinator), or was stopped
    /// two polls ago, is frozen. A healthy worker is active many times a second.
    fn alive_or_frozen(&mut self, hub: &Hub, run: &str) -> Result<RunState> {
        let now = Instant::now();
        let own = self.children.get(run).and_then(|pid| exec::vitals_of(*pid)).filter(|own| !own.stopped);
        if let Some(own) = own
            && self.turns.insert(run.to_owned(), own.context_switches) != Some(own.context_switches)
        {
            // It was active itself, so its children need not be checked.
            if let Some(sign) = self.signs.get_mut(run) {
                (sign.since, sign.stopped) = (now, None);
            }
            return Ok(RunState::Alive);
        }
        let Some(vitals) = exec::vitals(&exec::marked(&marks(hub, run))) else { return Ok(RunState::Alive) };
        let settings = &hub.settings()?.coordinator;
        let fresh = Sign { turns: vitals.context_switches, since: now, stopped: vitals.stopped.then_some(now) };
        let sign = self.signs.entry(run.to_owned()).or_insert(fresh);
        if sign.turns != vitals.context_switches {
            (sign.turns, sign.since) = (vitals.context_switches, now);
        }
        sign.stopped = vitals.stopped.then(|| sign.stopped.unwrap_or(now));
        let stopped = sign.stopped.is_some_and(|since| now - since >= settings.poll_min * 2);
        let frozen = stopped || now - sign.since >= settings.poll_max.max(settings.poll_min * 2);
        Ok(if frozen { RunState::Frozen } else { RunState::Alive })
    }

    /// Waits for the end of a run that is not a child: its lock is free when it has ended.
    fn await_end(&mut self, hub: &Hub, job: &Job, run: &str) {
        if !self.awaited.insert(run.to_owned()) {
            return;
        }
        let (queue, run) = (self.queue.clone(), run.to_owned());
        let path = hub.local(&paths::run_lock(&job.task));
        let awaited = run.clone();
        let waits = std::thread::Builder::new().spawn(move || {
            if let Ok(file) = File::open(&path) {
                let _ = file.lock_shared();
            }
            let _ = queue.send(Message::Ended(run));
        });
        if waits.is_err() {
            // No more threads are available: the next look tries again.
            self.awaited.remove(&awaited);
        }
    }

    /// Stops a worker: after its stage by a file that it checks, at once by a signal, and by SIGKILL if it was
    /// signalled before.
    pub fn stop(&mut self, hub: &Hub, run: &str, how: How) -> Result<()> {
        let path = hub.local(&paths::stop(run));
        files::create_parent(&path)?;
        files::replace(&path, b"")?;
        if how == How::Now {
            let again = self.stop_requests.insert(run.to_owned(), how) == Some(How::Now);
            exec::marked(&marks(hub, run)).iter().for_each(|worker| worker.end(again));
        }
        Ok(())
    }
}

/// The variables that identify a worker; the run's name may exist in another repository, too.
fn marks(hub: &Hub, run: &str) -> [(String, String); 2] {
    [(env::WORKER.to_owned(), run.to_owned()), (env::ROOT.to_owned(), hub.root.display().to_string())]
}

/// The outcome that a run wrote last.
pub fn outcome(hub: &Hub, run: &str) -> Result<Option<Outcome>> {
    let Some(bytes) = files::read(&hub.local(&paths::outcome(run)), MAX_OUTCOME)? else { return Ok(None) };
    match serde_json::from_slice(&bytes) {
        Ok(outcome) => Ok(Some(outcome)),
        Err(e) => {
            // The file is replaced as a whole, so it is not partial; the run counts as dead.
            tracing::warn!("cannot read the outcome of {run}: {e}");
            Ok(None)
        }
    }
}

/// What a run says of itself now: what it used, and what its agents say of their limits.
pub fn live(hub: &Hub, run: &str) -> Option<Live> {
    let bytes = files::read(&hub.local(&paths::live(run)), MAX_LIVE).ok()??;
    let live: Live = serde_json::from_slice(&bytes).ok()?;
    (live.run == run).then_some(live)
}

/// Removes the files of a finalized run.
pub fn forget(hub: &Hub, run: &str) {
    let _ = std::fs::remove_file(hub.local(&paths::stop(run)));
    // A killed worker left it.
    let _ = std::fs::remove_file(hub.local(&paths::live(run)));
}

fn log(hub: &Hub, run: &str) -> Result<File> {
    let path = hub.local(&format!("{LOGS}/{run}.log"));
    files::create_parent(&path)?;
    files::open_own(&path, OpenOptions::new().create(true).append(true))
}
