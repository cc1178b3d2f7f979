//! The inputs of a decision, and its effects.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::notice::Notice;
use super::trial::Trial;
use super::word::Word;
use super::work::{Ending, Work};
use crate::base::Stamp;
use crate::guard::operator::Recognised;
use crate::guard::trust::Only;
use crate::hub::settings::notify::Topic;
use crate::model::agent::Quotas;
use crate::model::is_default;
use crate::model::plan::Link;
use crate::model::priority::Priority;
use crate::model::run::outcome::{Finding, Outcome};
use crate::review::Decision as ReviewDecision;

/// All inputs of the coordinator. Each comes with the time.
#[derive(Clone, Debug)]
pub enum Input {
    /// A process begins with the state that the last one left.
    Started(Config),
    /// The settings changed.
    Settings(Config),
    /// The time that [`next_wake`](crate::coordinator::step::next_wake) named has come.
    Tick,
    /// Something watched has changed.
    Woken,
    /// The answer to [`Effect::Observe`].
    Snapshot(Snapshot),
    /// The result of an action.
    Reply { id: u64, reply: Reply },
    /// The state of a worker at this time; may be repeated.
    Run { run: String, is: RunState },
    /// What a running worker's agents have used so far in this run.
    Used { run: String, tokens: u64, cost: f64 },
    /// What running workers' agents say of their accounts' limits.
    Quotas(Quotas),
    /// An operator's command. May come again after a crash.
    Command { id: String, word: Word, command: Command },
    /// The record has a decision about a job that this state does not know: another machine ran it, or the state was
    /// lost. The command that tells of the decision follows.
    Unknown { decision: Box<ReviewDecision>, title: String },
    /// Something happened that people are told about, and nothing is decided by it.
    Noticed { topic: Topic, job: Option<String>, text: String },
    /// The alerts before this byte of the event log were passed on.
    AlertsUntil(u64),
    /// SIGTERM or SIGINT; `Now` for the second one.
    Terminate(How),
}

/// The world as one observation found it.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// [`Volatile::results`](super::volatile::Volatile::results) when the observation began.
    pub seq: u64,
    /// Why nothing may start unattended.
    pub stop: Option<String>,
    /// Nothing could be read; `stop` has the reason.
    pub unreadable: bool,
    /// Why the consent allows no new jobs, although running jobs may continue.
    pub no_choice: Option<String>,
    /// A finding of high severity or a moved target that stops new jobs.
    pub danger: Option<String>,
    /// Which disk has too little room for a job.
    pub no_room: Option<String>,
    /// When the consent was granted, and its number of jobs, if limited.
    pub grant: Option<(Stamp, Option<u64>)>,
    /// The only work that the consent covers; `None`: all work.
    pub only: Option<Only>,
    /// When to check again for a file that may still be being written.
    pub again: Option<Stamp>,
    /// Tasks on hold.
    pub holds: BTreeSet<String>,
    /// Assignable work, best first.
    pub offers: Vec<Offer>,
    /// Passed-over work, with reasons.
    pub skipped: Vec<Skipped>,
    /// Available seats.
    pub seats: Vec<Seat>,
    /// Every seat that has a manifest: a new one is called differently.
    pub seat_names: BTreeSet<String>,
    /// Backlog items in progress without a live claim.
    pub orphans: Vec<String>,
    /// Trial merges of unfinished jobs; `None`: nobody looked.
    pub trials: Option<Vec<Trial>>,
    /// Decisions about jobs under review, found in the repository or on pull requests.
    pub reviews: Vec<Reviewed>,
}

/// A decision found elsewhere, not given as a command.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    pub job: String,
    /// The run whose result it is about.
    pub run: String,
    pub word: ReviewWord,
    /// Where it was found, as text that follows "merged" or "rejected".
    pub by: String,
}

/// Work that the selector would assign next.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offer {
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    pub title: String,
    pub source: String,
    /// More urgent work may pause a running job for it.
    pub priority: Priority,
    /// The source of the plan, which is created when the work is assigned.
    pub origin: Option<Link>,
    /// The seat that it is already assigned to.
    pub seat: Option<String>,
    /// The agents, by their names in the settings, that its work order would need; none for commands.
    pub agents: Vec<String>,
    /// The globs of what it may change, as its step declares them.
    pub paths: Vec<String>,
    /// Why it was ranked first, for the decision log.
    pub why: String,
}

impl Offer {
    /// The source of what a person submitted, whichever source it came from before.
    pub const SUBMISSION: &str = "submission";

    pub fn is_submission(&self) -> bool {
        self.source == Self::SUBMISSION
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Skipped {
    pub task: String,
    pub why: String,
    /// A person must act: reported once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tell: bool,
    /// How it counts when the process ends.
    #[serde(skip)]
    pub left: LeftAs,
}

/// How a passed-over task counts when the process ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeftAs {
    /// Not at all: somebody works on it, it depends on other work, or a person excluded it.
    #[default]
    Uncounted,
    /// The record says that it is blocked.
    Blocked,
    /// It needs a person's action or answer.
    Waiting,
    /// Its agent is suspended for a while.
    Suspended,
    /// The consent does not cover it.
    NotAllowed,
    /// As many jobs as were asked for have started: it waits for the next run.
    NextRun,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub id: String,
    /// Maximum number of jobs per day.
    pub daily_limit: Option<u64>,
    /// A person, or an agent at a terminal, uses it: it gets no unattended work.
    pub interactive: bool,
}

#[derive(Clone, Debug)]
pub enum RunState {
    /// Its run lock is held.
    Alive,
    /// Its run lock is held, but it is stopped by a signal or hung.
    Frozen,
    /// It wrote its outcome and released its lock.
    Ended(Box<Outcome>),
    /// Neither lock nor outcome exists.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    Submit {
        task: String,
        plan: Option<String>,
        step: Option<String>,
        /// Replaces the priority of the task's source.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        priority: Option<Priority>,
        /// Its plan was just made for it: a coordinator that watches the plans may have started it already.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        is_new: bool,
    },
    /// Nothing new starts.
    Pause,
    /// Stops a job after its stage, until it is resumed.
    PauseJob {
        target: String,
    },
    /// Ends a pause, of a job or of all, or a task's skip.
    Resume {
        task: Option<String>,
    },
    /// Stops a job and skips its task.
    Cancel {
        target: String,
        now: bool,
    },
    /// Assigns a task to another seat, now or next time.
    Reassign {
        target: String,
        to: String,
    },
    /// Skips a task.
    Skip {
        task: String,
    },
    /// Stops the coordinator.
    Stop {
        now: bool,
    },
    ResetBreaker,
    /// A person's answer to a question of a job's agent.
    Answer {
        target: String,
        text: String,
    },
    /// A decision about the result of a job's run. `run` comes from the bundle, so that a decision about an earlier
    /// result does not affect a later one.
    Reviewed {
        job: String,
        run: String,
        word: ReviewWord,
    },
}

/// What was decided about a finished job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ReviewWord {
    /// The target branch has it, through this commit.
    Merged { commit: String },
    /// Rejected; the note has the reason.
    Rejected,
    /// The coder continues with it. `fresh`: a person asked for it, so the count of passes restarts.
    Rework { findings: Vec<Finding>, fresh: bool },
    /// The merge was reverted; the note has the reason.
    Reverted,
}

/// How a worker is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// After its current stage.
    Stage,
    Now,
}

/// An effect for the executor.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Saved in [`State::pending`](super::State::pending). Its result comes back as
    /// [`Input::Reply`]. With `check` it may have been performed already, by a process that
    /// died before it knew.
    Do { id: u64, action: Action, check: bool },
    /// Read the world; the answer is [`Input::Snapshot`]. With `remote` also what costs a process or the network.
    Observe { remote: bool },
    /// Stop a worker.
    StopWorker { run: String, task: String, how: How },
    /// Answers an operator's command; its file is removed.
    Answer { command: String, ok: bool, text: String },
    /// A line of progress.
    Say { job: Option<String>, text: String },
    /// The process ends.
    Exit(Leave),
}

impl Effect {
    /// Whether the state must be saved before this effect; `saved` tells whether a number was pending in the last
    /// saved state.
    ///
    /// The next process checks an action whose number is on disk. Any other action must be saved first, because its
    /// number would be reused. Observing and reporting change nothing.
    pub fn needs_saving(&self, saved: impl Fn(u64) -> bool) -> bool {
        match self {
            Effect::Observe { .. } | Effect::Say { .. } => false,
            Effect::Do { id, .. } => !saved(*id),
            Effect::StopWorker { .. } | Effect::Answer { .. } | Effect::Exit(_) => true,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leave {
    /// Nothing is left to do.
    Idle,
    /// As many jobs as were asked for have started, and there is more work.
    MaxJobs,
    /// Stopped on request.
    Stopped,
    /// Stopped because the time that it was given is over; decided as [`Leave::Stopped`] is.
    TimeOver,
    /// There may be work, but the breaker is open.
    Breaker,
    /// There is work, but no consent to do it unattended.
    NoConsent,
    /// There may be work, but a finding of high severity or a moved target stops new jobs.
    Finding,
    /// There may be work, but the record cannot be read.
    Unreadable,
    /// The next action keeps failing for a reason that only people can fix; the pending actions have it.
    Stuck,
}

/// An action that changes something. Each can be checked and is safe to repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Assignment, claim, backlog item and step, in one transaction. Checked by the claim's epoch and owner.
    #[serde(rename = "give")]
    Assign { job: String },
    /// The work order. Checked by its file.
    Order { job: String },
    /// The worker. Checked by its run lock and its outcome.
    Spawn { job: String, run: String },
    /// Extends the lease of a waiting job. Safe to repeat.
    Keep { job: String, until: Stamp },
    /// Notes the step and extends the lease while a person decides. Safe to repeat.
    Await { job: String },
    /// Merges the result by the granted policy, unless something is unusual. Checked by its decision.
    Approve { job: String },
    /// Pushes the branch and opens a pull request, if possible. Checked by branch.
    Deliver { job: String },
    /// Step, backlog item and claim after the work. Checked by each of them.
    #[serde(rename = "settle")]
    Finalize { job: String, ending: Ending },
    /// A line on `manager-report`. Checked by its id.
    Note { text: String, job: Option<String>, alert: bool },
    /// A line in the decision log. Checked by its id.
    Decide(Decision),
    /// Reopens a backlog item in progress that nobody holds. Checked by its status.
    Reset { task: String },
    /// A notification to one receiver. Checked by the number of the last delivery.
    Notify { to: String, notice: Box<Notice> },
    /// The record's commit.
    Commit,
}

impl Action {
    pub fn job(&self) -> Option<&str> {
        match self {
            Action::Assign { job }
            | Action::Order { job }
            | Action::Spawn { job, .. }
            | Action::Keep { job, .. }
            | Action::Await { job }
            | Action::Approve { job }
            | Action::Deliver { job }
            | Action::Finalize { job, .. } => Some(job),
            Action::Note { .. } | Action::Decide(_) | Action::Reset { .. } | Action::Commit | Action::Notify { .. } => {
                None
            }
        }
    }

    /// Whether it starts something or takes long; a one-shot run leaves it to the next coordinator.
    pub fn is_skipped_in_one_shot(&self) -> bool {
        matches!(
            self,
            Action::Assign { .. }
                | Action::Order { .. }
                | Action::Spawn { .. }
                | Action::Approve { .. }
                | Action::Deliver { .. }
                | Action::Notify { .. }
        )
    }
}

/// A decision, with passed-over tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    /// `chose`, `nothing`, or an operator's command.
    pub decision: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seat: Option<String>,
    pub why: String,
    /// How the command's author was recognised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognised: Option<Recognised>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// How many more tasks were passed over than `skipped` lists.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: usize,
}

impl Decision {
    /// A job is paused for more urgent work; also an event.
    pub const PREEMPTED: &str = "preempted";
}

/// The result of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done,
    /// [`Action::Commit`]: the record is already committed.
    Unchanged,
    /// [`Action::Assign`]: the seat has the claim, with this epoch.
    Assigned {
        epoch: u64,
    },
    /// [`Action::Order`]: the order's path, relative to the hub, and its work.
    Ordered {
        path: String,
        work: Work,
    },
    /// [`Action::Deliver`]: the pull request, if one is possible.
    Delivered {
        pull_request: Option<u64>,
    },
    /// It will not succeed by itself.
    Refused {
        why: String,
    },
    /// Somebody must allow it first (consent, a hold).
    NotNow {
        why: String,
    },
    /// It may succeed later: a lock, a full disk, a hub on another branch.
    Failed {
        why: String,
    },
    /// An unexpected error: retried like [`Reply::Failed`], but a limited number of times.
    Broken {
        why: String,
    },
}
