//! Summary and exit code of a coordinator process that ended: what is done, blocked, or waits, and for what.

use std::collections::HashSet;

use serde::Serialize;

use crate::base::{Exit, text};
use crate::coordinator::executor::publish;
use crate::coordinator::process::Ended;
use crate::coordinator::state::input::{Leave, LeftAs};
use crate::coordinator::state::{Ending, Job, Phase, State};

/// How many blocked or waiting tasks are named in words.
const NAMED: usize = 5;

/// What a process of the coordinator left behind. What is blocked or waits counts whoever left it so, and when.
#[derive(Debug, Serialize)]
pub struct Summary {
    /// `idle`, `stopped`, `breaker`, `no_consent`, `finding`, `blind` or `stuck`.
    left: &'static str,
    /// Why it ended before everything was done.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
    /// How many jobs ended done since it started.
    done: usize,
    /// What is blocked now, except what a person said no to.
    blocked: Vec<Blocked>,
    /// The tasks that a person said no to and that nobody works on since.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rejected: Vec<String>,
    /// The tasks whose results can be reviewed.
    review: Vec<String>,
    waiting: Vec<Waiting>,
    #[serde(skip)]
    leave: Leave,
}

#[derive(Debug, Serialize)]
struct Blocked {
    task: String,
    /// The job that was blocked last, where one is remembered.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    short: Option<String>,
    reason: String,
}

impl Blocked {
    fn name(&self) -> String {
        self.short.as_ref().map_or_else(|| self.task.clone(), |short| format!("{short} {}", self.task))
    }
}

#[derive(Debug, Serialize)]
struct Waiting {
    task: String,
    why: String,
}

impl Summary {
    /// What is left after a process has `ended` that found the state as `before`. With a bound on jobs
    /// (`bounded`), tasks that are still queued are as they should be.
    pub fn of(ended: Ended, bounded: bool, before: &State, state: &State) -> Summary {
        let is_new = |job: &&Job| before.job(&job.id).is_none_or(|known| !known.is_over());
        let is_done = |job: &&Job| matches!(job.phase, Phase::Over { ending: Ending::Done, .. });
        let (blocked, rejected) = blocked(&ended, before, state);
        Summary {
            left: match ended.leave {
                Leave::Idle => "idle",
                Leave::Stopped => "stopped",
                Leave::Breaker => "breaker",
                Leave::NoConsent => "no_consent",
                Leave::Finding => "finding",
                Leave::Unreadable => "blind",
                Leave::Stuck => "stuck",
            },
            done: state.jobs.iter().filter(is_done).filter(is_new).count(),
            blocked,
            rejected,
            review: state.live_jobs().filter(|job| job.is_under_review()).map(|job| job.task.clone()).collect(),
            waiting: waiting(&ended, state, bounded),
            leave: ended.leave,
            why: ended.why,
        }
    }

    /// 0: nothing is blocked, and nothing waits but for a review. A process that was told to stop did what it was
    /// told.
    pub fn exit(&self) -> Exit {
        match self.leave {
            Leave::Stopped => Exit::Done,
            Leave::Breaker | Leave::NoConsent | Leave::Finding => Exit::Unattended,
            Leave::Unreadable | Leave::Stuck => Exit::Refused,
            Leave::Idle if !self.blocked.is_empty() => Exit::Refused,
            Leave::Idle if !self.waiting.is_empty() => Exit::TimedOut,
            Leave::Idle => Exit::Done,
        }
    }

    /// For people: a line for each task that needs somebody, and how it ended as the last line.
    pub fn render(&self) -> String {
        let mut lines = Vec::new();
        if self.leave != Leave::Stopped {
            let blocked = self.blocked.iter().map(|one| format!("  blocked {}: {}", one.name(), one.reason));
            lines.extend(blocked.take(NAMED));
            // What ended it is told in the last line.
            let waiting = self.waiting.iter().filter(|one| self.why.as_ref() != Some(&one.why));
            lines.extend(waiting.map(|one| format!("  waiting {}: {}", one.task, one.why)).take(NAMED));
            if !self.review.is_empty() {
                lines.push("  review them: teof review list".to_owned());
            }
            if !self.blocked.is_empty() || !self.waiting.is_empty() {
                lines.push("  more: teof coordinator status; teof coordinator explain <task>".to_owned());
            }
        }
        lines.push(self.last_line());
        lines.iter().map(|line| text::safe(line)).collect::<Vec<_>>().join("\n")
    }

    fn last_line(&self) -> String {
        let why = self.why.as_deref().unwrap_or("the reason is not known");
        let counts = self.counts();
        let head = match self.leave {
            Leave::Idle => {
                let why = self.why.as_deref().map(|why| format!(" ({why})")).unwrap_or_default();
                return match counts.is_empty() {
                    true => format!("no more work to start{why}"),
                    false => format!("no more work to start: {counts}{why}"),
                };
            }
            Leave::Stopped => "stopped; what is unfinished goes on with the next: teof coordinator run".to_owned(),
            Leave::Breaker => format!("stopped: the breaker is open: {why}; see: teof coordinator status"),
            Leave::NoConsent => format!("stopped: nothing more starts: {why}"),
            Leave::Finding => format!("stopped: no new job starts: {why}; see: teof coordinator status"),
            Leave::Unreadable => "stopped: the record cannot be read".to_owned(),
            Leave::Stuck => format!("stopped: the record cannot be written: {why}"),
        };
        match counts.is_empty() {
            true => head,
            false => format!("{head} ({counts})"),
        }
    }

    fn counts(&self) -> String {
        let counts = [
            (self.done, "done"),
            (self.blocked.len(), "blocked"),
            (self.rejected.len(), "rejected"),
            (self.review.len(), "waiting for review"),
            (self.waiting.len(), "waiting"),
        ];
        let told: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
        told.join(", ")
    }
}

/// What is blocked: what the record says, and what this process blocked although the record may not say so. Beside
/// it what a person said no to, which is blocked as they want it.
fn blocked(ended: &Ended, before: &State, state: &State) -> (Vec<Blocked>, Vec<String>) {
    let (mut blocked, mut rejected, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    let of_record = ended.passed.iter().filter(|passed| passed.left == LeftAs::Blocked);
    let mut recorded: Vec<_> = of_record.collect();
    // The newest job of a task says what became of it.
    for job in state.jobs.iter().rev().filter(|job| seen.insert(job.task.as_str())) {
        if !matches!(job.phase, Phase::Over { ending: Ending::Blocked, .. }) {
            continue;
        }
        let count = recorded.len();
        recorded.retain(|passed| !job.is_called(&passed.task));
        let is_new = before.job(&job.id).is_none_or(|known| !known.is_over());
        if job.decision.is_some() {
            rejected.push(job.task.clone());
        } else if is_new || recorded.len() < count {
            let reason = job.last.as_ref().map(|last| last.reason.clone()).unwrap_or_default();
            blocked.push(Blocked {
                task: job.task.clone(),
                job: Some(job.id.clone()),
                short: Some(job.short()),
                reason,
            });
        }
    }
    blocked.reverse();
    let others = recorded.into_iter();
    blocked.extend(others.map(|one| Blocked {
        task: one.task.clone(),
        job: None,
        short: None,
        reason: one.why.clone(),
    }));
    (blocked, rejected)
}

/// What is neither over nor can be reviewed, and why.
fn waiting(ended: &Ended, state: &State, bounded: bool) -> Vec<Waiting> {
    let rests = |job: &&Job| !job.is_over() && !job.is_under_review();
    let jobs = state.jobs.iter().filter(rests).map(|job| {
        let last = job.last.as_ref().map(|last| last.reason.clone());
        Waiting { task: job.task.clone(), why: last.unwrap_or_else(|| publish::phase(job).to_owned()) }
    });
    let passed = ended.passed.iter().filter(|passed| passed.left != LeftAs::Blocked);
    let passed = passed.map(|passed| Waiting { task: passed.task.clone(), why: passed.why.clone() });
    let is_passed = |named: &dyn Fn(&str) -> bool| ended.passed.iter().any(|passed| named(&passed.task));
    let queued = state.submissions.iter().filter(|one| !bounded && !is_passed(&|task| one.is_called(task)));
    let queued = queued.map(|one| Waiting { task: one.task.clone(), why: "submitted, not started".to_owned() });
    let cooling = state.cooling.iter().filter(|(task, _)| !is_passed(&|name| name == task.as_str()));
    let cooling = cooling
        .map(|(task, until)| Waiting { task: task.clone(), why: format!("not given, tried again after {until}") });
    let mut seen = HashSet::new();
    let all = jobs.chain(passed).chain(queued).chain(cooling);
    all.filter(|one| seen.insert(one.task.clone())).collect()
}
