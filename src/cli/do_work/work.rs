//! Has one piece of work done and waits for it: by the coordinator that runs, else by one of our own for this alone.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use anyhow::Context;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::{SigId, flag, low_level};

use super::target::Target;
use crate::base::{Exit, Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::terminal::signals;
use crate::cli::unattended::progress::follow::{self, Printed};
use crate::coordinator::process::{self, Ended, Options};
use crate::coordinator::state::{Job, State, store};
use crate::hub::Hub;

/// How often a coordinator that somebody else runs is asked about the job.
const GLANCE: Duration = Duration::from_millis(200);
/// When a person is told that the job has not started yet.
const PATIENCE: Duration = Duration::from_secs(3);

/// Has the work done and shows its progress; `None` when another process did it.
///
/// # Errors
/// As for a coordinator's run.
pub fn work(app: &App, hub: &Hub, target: &Target) -> Result<Option<Ended>> {
    let shown = !app.json() && !app.global.quiet;
    let (going, stop) = mpsc::channel();
    std::thread::scope(|scope| {
        if shown {
            let printed = Printed::so_far(hub, &target.name);
            let follow = move || follow::follow(hub, &target.name, printed, &stop);
            std::thread::Builder::new().spawn_scoped(scope, follow).context("show the progress")?;
        }
        let ended = until_settled(app, hub, target);
        drop(going);
        ended
    })
}

/// Another `teof do` runs a coordinator that starts its own job alone: then ours starts after it.
fn until_settled(app: &App, hub: &Hub, target: &Target) -> Result<Option<Ended>> {
    loop {
        if process::holder(hub)?.is_some() && wait(app, hub, target)? {
            return Ok(None);
        }
        match own(app, hub, target) {
            Err(e) if process::is_running(&e) => std::thread::sleep(GLANCE),
            ended => return ended.map(Some),
        }
    }
}

fn own(app: &App, hub: &Hub, target: &Target) -> Result<Ended> {
    let options = Options { until_idle: true, only: Some(target.name.clone()), ..Options::default() };
    let mut say = |progress: &process::Progress| match progress.is_urgent && !app.json() {
        true => app.say(&progress.text),
        false => tracing::info!("{}", progress.text),
    };
    // They stop the coordinator. The questions afterwards they end as usual.
    let _held = signals::hold(&[SIGTERM, SIGINT, SIGHUP]);
    process::run(Hub::find(Some(&hub.root), app.clock)?, options, &mut say)
}

/// Waits while another process runs the coordinator; true when that one did what it will do for the job.
fn wait(app: &App, hub: &Hub, target: &Target) -> Result<bool> {
    let (mut has_run, mut is_told, began) = (false, false, Instant::now());
    let _held = signals::hold(&[SIGINT]);
    let interrupt = Interrupt::watch()?;
    while let Some(holder) = process::holder(hub)? {
        let state = store::load(hub)?;
        match target.newest(&state) {
            Some(job) if is_settled(job) => return Ok(true),
            Some(job) => has_run |= job.takes_a_slot(),
            None => {}
        }
        interrupt.check(&state, target)?;
        if !has_run && !is_told && began.elapsed() > PATIENCE {
            is_told = true;
            say_waiting(app, &state, target, &holder);
        }
        std::thread::sleep(GLANCE);
    }
    // Also when the other coordinator ended at the same moment: else the job would start in spite of Ctrl-C.
    interrupt.check(&store::load(hub)?, target)?;
    // A person stopped the coordinator while the job ran: it is theirs to say when it goes on.
    Ok(has_run)
}

/// Notices Ctrl-C for as long as it lives.
struct Interrupt {
    is_set: Arc<AtomicBool>,
    handler: SigId,
}

impl Interrupt {
    fn watch() -> Result<Interrupt> {
        let is_set = Arc::new(AtomicBool::new(false));
        let handler = flag::register(SIGINT, Arc::clone(&is_set))?;
        Ok(Interrupt { is_set, handler })
    }

    /// Leaves the job after Ctrl-C.
    fn check(&self, state: &State, target: &Target) -> Result<()> {
        match self.is_set.load(Ordering::Relaxed) {
            true => Err(left(state, target).into()),
            false => Ok(()),
        }
    }
}

impl Drop for Interrupt {
    fn drop(&mut self) {
        low_level::unregister(self.handler);
    }
}

/// What a person left by Ctrl-C, and how it goes on.
fn left(state: &State, target: &Target) -> Refusal {
    let new = |what: String| Refusal::new(Exit::TimedOut, "do.interrupted", what);
    if let Some(job) = target.newest(state) {
        return new(format!("interrupted: {} goes on without you", job.short()))
            .next(format!("watch it: teof logs {} --follow", job.short()));
    }
    let (name, task) = (text::shell_word(&target.name), text::shell_word(target.names().0));
    new(format!("interrupted: {} stays queued", text::safe(&target.name)))
        .next(format!("start it: teof do {name}"))
        .next(format!("drop it: teof coordinator cancel {task}"))
}

/// Whether the job needs a person or is over.
fn is_settled(job: &Job) -> bool {
    job.is_over() || job.is_under_review() || job.asks()
}

fn say_waiting(app: &App, state: &State, target: &Target, holder: &str) {
    if app.json() {
        return;
    }
    let name = text::safe(&target.name);
    let why = match (&state.paused, &state.breaker.open) {
        (Some(word), _) => format!("paused by {}; continue: teof coordinator resume", text::safe(&word.by)),
        (_, Some(trip)) => format!(
            "the breaker is open: {}; after fixing the cause: teof coordinator reset-breaker",
            text::safe(&trip.reason)
        ),
        _ => format!("a coordinator runs already ({}); see what it does: teof status", text::safe(holder)),
    };
    app.say(format!("Waiting to start {name}: {why}"));
}
