//! One coordinator process: its state and resources.

use std::collections::{BTreeSet, VecDeque};
use std::sync::mpsc::{Receiver, Sender};
use std::time::{Duration, Instant};

use super::options::Options;
use super::saving::Saving;
use super::service::clock::Reading;
use super::service::facts::Facts;
use super::service::supervisor::Supervisor;
use super::watch::Watcher;
use crate::base::Stamp;
use crate::base::lock::FileLock;
use crate::coordinator::executor::own_writes::OwnWrites;
use crate::coordinator::executor::workers::Workers;
use crate::coordinator::message::Message;
use crate::coordinator::notifications::Deliverer;
use crate::coordinator::state::input::{Effect, Input, Leave};
use crate::coordinator::state::{Phase, State};
use crate::coordinator::step::step;
use crate::coordinator::{retention, sessions};
use crate::foreman::commands::executor;
use crate::hub::Hub;
use crate::plans::reader::Reader;

/// How often worktrees and sessions that are kept for a time only are looked through.
const RETIRE_EVERY: Duration = Duration::from_secs(600);

/// A line of progress.
#[derive(Clone, Debug, Default, serde::Serialize, schemars::JsonSchema)]
pub struct Progress {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// The job's short id: `j7`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub short: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    pub text: String,
    /// The job's worker runs.
    pub running: bool,
    /// Shown wherever progress is.
    #[serde(skip)]
    pub is_urgent: bool,
}

pub(super) struct Shell<'t> {
    pub hub: Hub,
    pub lock: FileLock,
    pub manager: String,
    pub options: Options,
    pub state: State,
    pub saving: Saving,
    pub own: OwnWrites,
    pub workers: Workers,
    pub plans: Reader,
    pub watcher: Watcher,
    pub queue: Receiver<Message>,
    /// Since when the record is being committed, which holds the bus lock: actions wait.
    pub committing: Option<Stamp>,
    pub effects: VecDeque<Effect>,
    pub signals: u32,
    /// When the time that this run was given is over; `None` once it was told so.
    pub stops_at: Option<Stamp>,
    /// It was stopped because its time was over, not by a person.
    pub is_time_over: bool,
    /// A terminal was there at the start: a SIGHUP without one then means that it was closed, and stops the
    /// coordinator.
    pub has_terminal: bool,
    /// When the terminal was first reported closed.
    pub hung_up: Option<Instant>,
    pub supervisor: Supervisor,
    pub deliverer: Deliverer,
    /// The receivers of notifications to which the last delivery failed.
    pub unreachable: BTreeSet<String>,
    /// For what is done beside the loop.
    pub send: Sender<Message>,
    pub facts: Facts,
    /// The clocks at the last wake.
    pub clocks: Option<Reading>,
    pub gathered_until: Instant,
    /// When running workers' usage was last read.
    pub usage_read: Instant,
    /// Why the last failed observation failed.
    pub unreadable: Option<anyhow::Error>,
    /// The settings file is unreadable, for workers as well, so nothing starts.
    pub settings_unreadable: bool,
    /// The settings file has changes that a person has not granted yet.
    pub settings_wait: bool,
    /// When old worktrees and sessions were last removed.
    pub retired: Option<Instant>,
    /// When files were last polled, where they cannot be watched.
    pub polled: Instant,
    /// When the last safety poll was.
    pub ticked: Instant,
    pub leave: Option<Leave>,
    /// Why something could not be written, the last time.
    pub unwritten: Option<String>,
    pub tell: &'t mut dyn FnMut(&Progress),
}

impl Shell<'_> {
    pub(super) fn feed(&mut self, input: Input) {
        self.saving.is_due = true;
        self.effects.extend(step(&mut self.state, input, self.hub.now()));
    }

    /// Containers whose worker was killed while no coordinator ran.
    pub(super) fn remove_containers(&mut self) {
        match executor::remove_orphans(&self.hub) {
            Ok(removed) => removed.iter().for_each(|left| self.report(format!("removed {left}: its worker is gone"))),
            Err(e) => self.report(format!("cannot remove containers: {e:#}")),
        }
    }

    /// Removes what is kept for a time only. It reads every session's record, so not at every poll.
    pub(super) fn retire_old(&mut self) {
        if self.retired.is_some_and(|last| last.elapsed() < RETIRE_EVERY) {
            return;
        }
        self.retired = Some(Instant::now());
        let retired = [retention::retire(&self.hub, &self.state), sessions::retire(&self.hub, &self.state)];
        retired.into_iter().flatten().for_each(|line| self.report(line));
    }

    pub(super) fn say(&mut self, job: Option<&str>, text: String) {
        let job = job.and_then(|job| self.state.job(job));
        let progress = Progress {
            job: job.map(|job| job.id.clone()),
            short: job.map(|job| job.short()),
            run: job.map(|job| job.run_id()),
            task: job.map(|job| job.task.clone()),
            step: job.and_then(|job| job.step.clone()),
            title: job.map(|job| job.title.clone()),
            seat: job.map(|job| job.seat.clone()),
            running: job.is_some_and(|job| matches!(job.phase, Phase::Running { .. })),
            is_urgent: false,
            text,
        };
        (self.tell)(&progress);
    }

    pub(super) fn report_urgently(&mut self, text: &str) {
        (self.tell)(&Progress { text: text.to_owned(), is_urgent: true, ..Progress::default() });
    }

    pub(super) fn report(&mut self, text: String) {
        (self.tell)(&Progress { text, ..Progress::default() });
    }
}
