//! The inputs of a decision, and the effects that it asks for.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::config::Config;
use super::word::Word;
use super::work::{Ending, Work};
use crate::base::Stamp;
use crate::guard::operator::Recognised;
use crate::model::is_default;
use crate::model::plan::Link;
use crate::model::run::outcome::{Finding, Outcome};

/// Everything that the coordinator is told. Time is told beside each.
#[derive(Clone, Debug)]
pub enum Input {
    /// A process begins with the state that the last one left.
    Started(Config),
    /// The settings changed.
    Settings(Config),
    /// The time that [`next_wake`](crate::coordinator::step::next_wake) named has come.
    Tick,
    /// Something that is watched has changed.
    Woken,
    /// The answer to [`Effect::Observe`].
    Snapshot(Snapshot),
    /// The result of an action.
    Reply { id: u64, reply: Reply },
    /// How a worker fares: true when it is told, and told as often as one likes.
    Run { run: String, is: RunState },
    /// An operator's command. May come again after a crash.
    Command { id: String, word: Word, command: Command },
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
    /// Nothing could be seen, and `stop` says why.
    pub unreadable: bool,
    /// Why the consent lets nothing new be chosen, although what was chosen may go on.
    pub no_choice: Option<String>,
    /// A finding of high severity or a moved target, because of which nothing new is chosen.
    pub danger: Option<String>,
    /// When the consent was granted, and how many jobs it covers if it does not cover any number.
    pub grant: Option<(Stamp, Option<u64>)>,
    /// Something that may still be being written can be looked at again then.
    pub again: Option<Stamp>,
    /// Tasks on hold.
    pub holds: BTreeSet<String>,
    /// What could be given, best first.
    pub offers: Vec<Offer>,
    /// What could not, and why.
    pub skipped: Vec<Skipped>,
    /// Who could work.
    pub seats: Vec<Seat>,
    /// Backlog items in progress without a live claim.
    pub orphans: Vec<String>,
    /// Decisions about jobs under review that show in the repository or on its pull requests.
    pub reviews: Vec<Reviewed>,
}

/// A decision that was found, not told.
#[derive(Clone, Debug, PartialEq)]
pub struct Reviewed {
    pub job: String,
    /// The run whose result it is about.
    pub run: String,
    pub word: ReviewWord,
    /// Where it was seen, in words that follow "merged" or "rejected".
    pub by: String,
}

/// A piece of work that the selector would give next.
#[derive(Clone, Debug, PartialEq)]
pub struct Offer {
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    pub title: String,
    pub source: String,
    /// The plan is not there yet: it is made of this when the work is given.
    pub origin: Option<Link>,
    /// The seat that it is assigned to already.
    pub seat: Option<String>,
    /// The agents, by their names in the settings, that its work order would need; none for commands.
    pub agents: Vec<String>,
    /// Why it comes before the others, for the decision log.
    pub why: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    pub task: String,
    pub why: String,
    /// A person has to do something about it: reported once.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub tell: bool,
    /// What it counts as when the process ends.
    #[serde(skip)]
    pub left: LeftAs,
}

/// What a passed-over task counts as when the process ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeftAs {
    /// Nothing: somebody works on it, it follows other work, or a person does not want it.
    #[default]
    Uncounted,
    /// The record says that it is blocked.
    Blocked,
    /// It could go on if a person did or said something.
    Waiting,
    /// Its agent is suspended for a while.
    Suspended,
    /// The consent does not cover it.
    NotAllowed,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    pub id: String,
    /// How many jobs it may be given in a day.
    pub daily_limit: Option<u64>,
}

#[derive(Clone, Debug)]
pub enum RunState {
    /// Its run lock is held.
    Alive,
    /// Its run lock is held, and it does nothing any more: stopped by a signal, or hung.
    Frozen,
    /// It left its outcome and its lock.
    Ended(Box<Outcome>),
    /// It left neither.
    Gone,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    Submit {
        task: String,
        plan: Option<String>,
        step: Option<String>,
    },
    /// Nothing new starts.
    Pause,
    /// Ends a pause, or a task's skip.
    Resume {
        task: Option<String>,
    },
    /// Ends a job and does not choose its task again.
    Cancel {
        target: String,
        now: bool,
    },
    /// Gives a task to another seat, now or next time.
    Reassign {
        target: String,
        to: String,
    },
    /// Does not choose a task.
    Skip {
        task: String,
    },
    /// Ends the coordinator.
    Stop {
        now: bool,
    },
    ResetBreaker,
    /// What a person says to a question of a job's agent.
    Answer {
        target: String,
        text: String,
    },
    /// A decision about the result of a job's run. `run` is what the bundle says: a decision about an
    /// earlier result does not hit a later one.
    Reviewed {
        job: String,
        run: String,
        word: ReviewWord,
    },
}

/// What was decided about a finished job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "kebab-case")]
pub enum ReviewWord {
    /// The target branch has it, by this commit.
    Merged { commit: String },
    /// Nobody wants it; the note says why.
    Rejected,
    /// The coder is to go on with it. `fresh`: a person wants it so, and the count of passes begins anew.
    Rework { findings: Vec<Finding>, fresh: bool },
}

/// How a worker is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum How {
    /// After the stage that it is in.
    Stage,
    Now,
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Saved in [`State::pending`](super::State::pending). Its result comes back as
    /// [`Input::Reply`]. With `check` it may have been performed already, by a process that
    /// died before it knew.
    Do { id: u64, action: Action, check: bool },
    /// Read the world; the answer is [`Input::Snapshot`]. With `remote` also what costs a process or the network.
    Observe { remote: bool },
    /// Tell a worker to end.
    StopWorker { run: String, task: String, how: How },
    /// The operator's command took effect, or not; its file can go.
    Answer { command: String, ok: bool, text: String },
    /// A line for the people who watch.
    Say { job: Option<String>, text: String },
    /// The process ends.
    Exit(Leave),
}

impl Effect {
    /// Whether the state is to be saved before this is performed; `saved` says whether a number was among the pending
    /// actions of the state that was saved last.
    ///
    /// An action whose number is on the disk is checked by the next process, whatever became of others since. One
    /// that is not must get there first: its number would be given again. Looking and telling change nothing.
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
    /// There is nothing left to do.
    Idle,
    /// It was asked to.
    Stopped,
    /// There may be work, but the breaker is open.
    Breaker,
    /// There is work, but no consent to do it unattended.
    NoConsent,
    /// There may be work, but a finding of high severity or a moved target keeps it from being chosen.
    Finding,
    /// There may be work, but the record cannot be read.
    Unreadable,
    /// What is to be done next keeps failing for a reason that only people can remove; the pending actions say why.
    Stuck,
}

/// What changes the world. Each can be checked, and is safe to repeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case")]
pub enum Action {
    /// Assignment, claim, backlog item and step, in one transaction. Checked by the claim's epoch and owner.
    #[serde(rename = "give")]
    Assign { job: String },
    /// The work order. Checked by its file.
    Order { job: String },
    /// The worker. Checked by its run lock and its outcome.
    Spawn { job: String, run: String },
    /// A longer lease for a claim whose job waits so long. Safe to repeat.
    Keep { job: String, until: Stamp },
    /// The step's note and the claim's longer lease while a person decides. Safe to repeat.
    Await { job: String },
    /// The branch is pushed and offered as a pull request, where that is possible. Checked by branch.
    Deliver { job: String },
    /// Step, backlog item and claim after the work. Checked by each of them.
    #[serde(rename = "settle")]
    Finalize { job: String, ending: Ending },
    /// A line on `manager-report`. Checked by its id.
    Note { text: String, job: Option<String>, alert: bool },
    /// A line in the decision log. Checked by its id.
    Decide(Decision),
    /// A backlog item in progress that nobody has. Checked by its status.
    Reset { task: String },
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
            | Action::Deliver { job }
            | Action::Finalize { job, .. } => Some(job),
            Action::Note { .. } | Action::Decide(_) | Action::Reset { .. } | Action::Commit => None,
        }
    }

    /// Whether it starts something or takes long, which a one-shot run leaves to the next coordinator.
    pub fn is_skipped_in_one_shot(&self) -> bool {
        matches!(self, Action::Assign { .. } | Action::Order { .. } | Action::Spawn { .. } | Action::Deliver { .. })
    }
}

/// One decision, with what was passed over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
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
    /// How the person was recognised who gave the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recognised: Option<Recognised>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub skipped: Vec<Skipped>,
    /// How many more were passed over than `skipped` lists.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: usize,
}

/// The result of an action.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    Done,
    /// [`Action::Commit`]: the record is committed already.
    Unchanged,
    /// [`Action::Assign`]: the claim is the seat's, under this epoch.
    Assigned {
        epoch: u64,
    },
    /// [`Action::Order`]: the order lies there, relative to the hub, and asks for that.
    Ordered {
        path: String,
        work: Work,
    },
    /// [`Action::Deliver`]: the pull request, if there can be one.
    Delivered {
        pull_request: Option<u64>,
    },
    /// It will not become possible by itself.
    Refused {
        why: String,
    },
    /// Somebody has to allow it first (consent, a hold).
    NotNow {
        why: String,
    },
    /// It may be possible later: a lock, a full disk, a hub that is off its branch.
    Failed {
        why: String,
    },
    /// Nobody foresaw that it could go wrong so: tried again as [`Reply::Failed`] is, but not for ever.
    Broken {
        why: String,
    },
}
