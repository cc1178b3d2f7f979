//! How a coordinator's process ended, in words and as an exit code: what is done, blocked, or waits, and for what.

use serde::Serialize;

use crate::base::{Exit, text};
use crate::coordinator::input::Leave;
use crate::coordinator::shell::{self, Options, publish};
use crate::coordinator::state::{Ending, Job, Phase, State};
use crate::hub::Hub;

/// How many blocked or waiting tasks are named in words.
const NAMED: usize = 5;

/// What a process of the coordinator left behind.
#[derive(Debug, Serialize)]
pub struct Left {
    /// `idle`, `stopped`, `breaker`, `no_consent`, `blind` or `stuck`.
    left: &'static str,
    /// Why it ended before everything was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// How many jobs ended done since it started.
    done: usize,
    /// The jobs that ended blocked since it started, except those that a person said no to.
    blocked: Vec<Blocked>,
    /// The tasks whose results can be reviewed.
    review: Vec<String>,
    waiting: Vec<Waiting>,
    #[serde(skip)]
    leave: Leave,
}

#[derive(Debug, Serialize)]
struct Blocked {
    task: String,
    job: String,
    reason: String,
}

#[derive(Debug, Serialize)]
struct Waiting {
    task: String,
    why: String,
}

impl Left {
    /// What the saved state shows after a process has left that found it as `before`.
    pub fn of(hub: &Hub, options: Options, leave: Leave, before: &State, state: &State) -> Left {
        let is_new = |job: &Job| before.job(&job.id).is_none_or(|known| !known.is_over());
        let ended = |job: &Job, wanted: Ending| {
            matches!(job.phase, Phase::Over { ending, .. } if ending == wanted) && is_new(job)
        };
        let blocked = state.jobs.iter().filter(|job| ended(job, Ending::Blocked) && job.decision.is_none());
        let why = match leave {
            Leave::NoConsent => shell::preview(hub, options).ok().and_then(|found| found.obstacle),
            Leave::Breaker => state.breaker.open.as_ref().map(|trip| trip.reason.clone()),
            Leave::Stuck => {
                state.pending.iter().find(|pending| pending.is_stuck()).and_then(|pending| pending.why.clone())
            }
            _ => state.paused.as_ref().map(|word| format!("paused by {}", word.by)),
        };
        Left {
            left: match leave {
                Leave::Idle => "idle",
                Leave::Stopped => "stopped",
                Leave::Breaker => "breaker",
                Leave::NoConsent => "no_consent",
                Leave::Blind => "blind",
                Leave::Stuck => "stuck",
            },
            why,
            done: state.jobs.iter().filter(|job| ended(job, Ending::Done)).count(),
            blocked: blocked
                .map(|job| Blocked {
                    task: job.task.clone(),
                    job: job.id.clone(),
                    reason: job.last.as_ref().map(|last| last.reason.clone()).unwrap_or_default(),
                })
                .collect(),
            review: state.live_jobs().filter(|job| job.is_under_review()).map(|job| job.task.clone()).collect(),
            waiting: waiting(state, options.max_jobs.is_some()),
            leave,
        }
    }

    /// 0: all that was started is done or can be reviewed. A process that was told to stop did what it was told.
    pub fn exit(&self) -> Exit {
        match self.leave {
            Leave::Stopped => Exit::Done,
            Leave::Breaker | Leave::NoConsent => Exit::Unattended,
            Leave::Blind | Leave::Stuck => Exit::Refused,
            Leave::Idle if !self.blocked.is_empty() => Exit::Refused,
            Leave::Idle if !self.waiting.is_empty() => Exit::TimedOut,
            Leave::Idle => Exit::Done,
        }
    }

    /// For people: one line, and one for each task that needs somebody.
    pub fn words(&self) -> String {
        let why = self.why.as_deref().unwrap_or("the reason is not known");
        let mut lines = vec![match self.leave {
            Leave::Idle => self.summary(),
            Leave::Stopped => "stopped; what is unfinished goes on with the next: teof coordinator run".to_owned(),
            Leave::Breaker => format!("stopped: the breaker is open: {why}; see: teof coordinator status"),
            Leave::NoConsent => format!("stopped: nothing more starts: {why}"),
            Leave::Blind => "stopped: the record cannot be read".to_owned(),
            Leave::Stuck => format!("stopped: the record cannot be written: {why}"),
        }];
        if self.leave != Leave::Stopped {
            let blocked = self.blocked.iter().map(|one| format!("  blocked {}: {}", one.task, one.reason));
            lines.extend(blocked.take(NAMED));
            lines.extend(self.waiting.iter().map(|one| format!("  waiting {}: {}", one.task, one.why)).take(NAMED));
            if !self.review.is_empty() {
                lines.push("  review them: teof review list".to_owned());
            }
            if !self.blocked.is_empty() || !self.waiting.is_empty() {
                lines.push("  more: teof coordinator status; teof coordinator explain <task>".to_owned());
            }
        }
        lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
    }

    fn summary(&self) -> String {
        let counts = [
            (self.done, "done"),
            (self.blocked.len(), "blocked"),
            (self.review.len(), "waiting for review"),
            (self.waiting.len(), "waiting"),
        ];
        let told: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        match told.is_empty() {
            true => "nothing is left to do".to_owned(),
            false => format!("nothing more to start: {}", told.join(", ")),
        }
    }
}

/// What is neither over nor can be reviewed, and why. With a bound on jobs (`bounded`), tasks that are still
/// queued are as they should be.
fn waiting(state: &State, bounded: bool) -> Vec<Waiting> {
    let rests = |job: &&Job| !job.is_over() && !job.is_under_review();
    let jobs = state.jobs.iter().filter(rests).map(|job| {
        let last = job.last.as_ref().map(|last| last.reason.clone());
        Waiting { task: job.task.clone(), why: last.unwrap_or_else(|| publish::phase(job).to_owned()) }
    });
    let queued = state.submissions.iter().filter(|_| !bounded);
    let queued = queued.map(|one| Waiting { task: one.task.clone(), why: "submitted, not started".to_owned() });
    let cooling = state.cooling.iter();
    let cooling = cooling
        .map(|(task, until)| Waiting { task: task.clone(), why: format!("not given, tried again after {until}") });
    jobs.chain(queued).chain(cooling).collect()
}
