//! A job: the coordinator's record of one piece of work, its phase, and the results of its runs. Only data.

use serde::{Deserialize, Serialize};

use super::input::ReviewWord;
use super::submission::Submission;
use super::word::Word;
use super::work::{Ending, Work};
use crate::base::Stamp;
use crate::model::agent::{AgentSession, Usage};
use crate::model::is_default;
use crate::model::plan::Link;
use crate::model::priority::Priority;
use crate::model::run::job_name::{self, Names, is_called};
use crate::model::run::order::Rework;
use crate::model::run::outcome::{LastOutput, Outcome, Verdict};

/// The coordinator's record of one piece of work, from its choice to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Job {
    /// As [`job_name::id`] makes it: unique even when this file was lost.
    pub id: String,
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    /// The source of the plan to create on assignment, if the plan does not exist yet.
    pub origin: Option<Link>,
    pub title: String,
    /// Its source: `submission`, `backlog`, `plan`…
    pub source: String,
    #[serde(default)]
    pub priority: Priority,
    pub seat: String,
    pub phase: Phase,
    /// The epoch of the seat's claim.
    pub epoch: Option<u64>,
    /// The work order, relative to the hub.
    pub order: Option<String>,
    /// The globs of what it may change, as its step declares them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// The order's work.
    #[serde(default)]
    pub work: Work,
    /// The number of the run, from 1. A run that died is resumed with the same number.
    pub run: u32,
    /// Process failures and timeouts so far.
    pub failures: u32,
    /// How often its worker vanished or paused without request.
    pub interruptions: u32,
    /// How often it was paused for more urgent work.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preemptions: u32,
    /// The task of the more urgent work that it makes room for, until it continues.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub yields_to: Option<String>,
    /// An operator's request to end it.
    pub wish: Option<Wish>,
    /// The result of the last run.
    pub last: Option<Last>,
    /// The current run's usage that is already counted in [`State::spent`](super::State::spent).
    #[serde(default)]
    pub counted: Usage,
    /// What all its runs used, as far as counted; see [`Job::used`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub spent: Usage,
    /// The decision about its result.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// If it was sent back after finishing: the findings and the commit to continue from.
    #[serde(default)]
    pub rework: Option<Rework>,
    /// A person's answer to its agent, until the worker has started with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// What a person said when they had the task done again, for its coder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
    /// The submissions that it was chosen for, until it is assigned; they go back to the queue if that is refused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub submissions: Vec<Submission>,
    /// How often in a row the assignment of its task was refused, this job included.
    #[serde(default, skip_serializing_if = "is_default")]
    pub refusals: u32,
    /// An operator's pause of this job: it stops after its stage and goes on when somebody resumes it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused: Option<Word>,
    /// When its claim's lease was last extended during review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Stamp>,
    /// The number of its pull request.
    #[serde(default)]
    pub pull_request: Option<u64>,
    pub chosen_at: Stamp,
}

impl Job {
    /// As it is when it is chosen.
    pub fn new(id: String, task: String, seat: String, at: Stamp) -> Job {
        Job {
            id,
            title: task.clone(),
            task,
            plan: None,
            step: None,
            origin: None,
            source: String::new(),
            priority: Priority::default(),
            seat,
            phase: Phase::Assigning,
            epoch: None,
            order: None,
            paths: Vec::new(),
            work: Work::default(),
            run: 1,
            failures: 0,
            interruptions: 0,
            preemptions: 0,
            yields_to: None,
            wish: None,
            last: None,
            counted: Usage::default(),
            spent: Usage::default(),
            decision: None,
            rework: None,
            answer: None,
            note: None,
            submissions: Vec::new(),
            refusals: 0,
            paused: None,
            kept: None,
            pull_request: None,
            chosen_at: at,
        }
    }

    /// The id of the current run, used by the worker, its trailers and its outcome file.
    pub fn run_id(&self) -> String {
        format!("{}.{}", self.id, self.run)
    }

    /// The short id for people: `j7`.
    pub fn short(&self) -> String {
        job_name::short(&self.id).into_owned()
    }

    /// The names that people can use for it.
    pub fn names(&self) -> Names<'_> {
        Names { id: &self.id, run: self.run, task: &self.task, plan: self.plan.as_deref(), step: self.step.as_deref() }
    }

    /// The name of its worktree, commits and stored results; work that was sent back gets a new one.
    pub fn known_as(&self) -> String {
        match &self.rework {
            Some(rework) => format!("{}-r{}", self.id, rework.nth),
            None => self.id.clone(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Whether its assignment was refused, so that it never started.
    pub fn was_refused(&self) -> bool {
        let ending = match self.phase {
            Phase::Finalizing { ending } | Phase::Over { ending, .. } => Some(ending),
            _ => None,
        };
        self.epoch.is_none() && ending == Some(Ending::Dropped)
    }

    /// Whether it uses a slot: its worker runs or is about to run.
    pub fn takes_a_slot(&self) -> bool {
        matches!(self.phase, Phase::Assigning | Phase::Ordering | Phase::Spawning | Phase::Running { .. })
    }

    /// Whether it waits for time, permission or a decision.
    pub fn rests(&self) -> bool {
        let asks = matches!(self.phase, Phase::Question { .. });
        asks || matches!(self.phase, Phase::Waiting { .. } | Phase::Held | Phase::Review { .. } | Phase::Over { .. })
    }

    /// Whether its agent waits for a person's answer.
    pub fn asks(&self) -> bool {
        matches!(self.phase, Phase::Question { .. })
    }

    /// Its state as people see it.
    pub fn label(&self) -> &'static str {
        let is_rejected = || self.decision.as_ref().is_some_and(|one| matches!(one.word, ReviewWord::Rejected));
        match self.phase {
            Phase::Over { ending: Ending::Blocked, .. } if is_rejected() => "rejected",
            _ => self.phase.label(),
        }
    }

    /// Whether its result, or an earlier one of its, is on the target.
    pub fn is_merged(&self) -> bool {
        self.decision.as_ref().is_some_and(|decision| matches!(decision.word, ReviewWord::Merged { .. }))
    }

    /// Whether its work is finished and waits for a person's decision.
    pub fn is_under_review(&self) -> bool {
        matches!(self.phase, Phase::Review { .. })
    }

    /// Whether a name refers to it: its id, short id, run, task, plan or step.
    pub fn is_called(&self, name: &str) -> bool {
        self.names().is_own(name) || is_called(name, &self.task, self.plan.as_deref(), self.step.as_deref())
    }

    /// Why it was stopped, waits or ended: what its last run said, or why that run's result was sent back.
    pub fn reason(&self) -> Option<String> {
        let last = self.last.as_ref()?;
        let stays = self.is_over() || self.is_under_review() || last.verdict != Some(Verdict::Succeeded);
        let reason = match self.rework.as_ref().filter(|_| !stays) {
            Some(rework) => match rework.findings.first() {
                Some(found) => format!("sent back: {}", found.describe()),
                None => "sent back".to_owned(),
            },
            None => last.reason.clone(),
        };
        Some(reason).filter(|reason| !reason.is_empty())
    }

    /// Whether it was sent back and its next order is not written yet, so that a further note reaches the coder.
    pub fn takes_notes(&self) -> bool {
        let is_early = matches!(self.phase, Phase::Assigning | Phase::Waiting { .. } | Phase::Held);
        self.rework.is_some() && self.order.is_none() && is_early
    }

    /// What all its runs used, as far as counted.
    pub fn used(&self) -> Usage {
        // A job of an older version has only what its current run used.
        if self.spent == Usage::default() { self.counted } else { self.spent }
    }

    /// The commit of its last run.
    pub fn commit(&self) -> Option<&str> {
        self.last.as_ref().and_then(|last| last.commit.as_deref())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Its claim is being taken, or renewed before a retry.
    #[serde(rename = "giving")]
    Assigning,
    /// Its work order is being written.
    Ordering,
    /// Its worker is being started.
    Spawning,
    Running {
        since: Stamp,
    },
    /// It failed and is retried at this time.
    Waiting {
        until: Stamp,
    },
    /// It continues when work may start again.
    Held,
    /// Its agent asked a question that waits for a person; its claim is kept.
    Question {
        since: Stamp,
    },
    /// Its work is finished and waits for a person's decision; its claim is kept.
    Review {
        since: Stamp,
    },
    /// Its step, claim and backlog item are being set.
    #[serde(rename = "settling")]
    Finalizing {
        ending: Ending,
    },
    Over {
        ending: Ending,
        at: Stamp,
    },
}

impl Phase {
    /// The name in published files.
    pub fn name(&self) -> &'static str {
        match self {
            Phase::Assigning => "chosen",
            Phase::Ordering => "given",
            Phase::Spawning => "ordered",
            Phase::Running { .. } => "running",
            Phase::Waiting { .. } => "retry_wait",
            Phase::Held => "held",
            Phase::Question { .. } => "question",
            Phase::Review { .. } => "review",
            Phase::Finalizing { .. } => "reporting",
            Phase::Over { ending, .. } => ending.as_str(),
        }
    }

    /// The name that people see.
    pub fn label(&self) -> &'static str {
        match self {
            Phase::Assigning | Phase::Ordering | Phase::Spawning => "starting",
            Phase::Waiting { .. } => "will resume",
            Phase::Question { .. } => "needs answer",
            Phase::Review { .. } => "needs review",
            Phase::Finalizing { .. } => "finishing",
            Phase::Running { .. } | Phase::Held | Phase::Over { .. } => self.name(),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Wish {
    pub word: Word,
    /// The seat that gets the task instead; `None`: nobody.
    pub to: Option<String>,
    /// At once instead of at the end of the stage.
    pub now: bool,
}

/// The part of a run's result that people ask for later; the rest is in its outcome and envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Last {
    pub run: String,
    /// `None` when the worker died without an outcome.
    pub verdict: Option<Verdict>,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// The review bundle, relative to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// The coder's passes so far.
    #[serde(default)]
    pub passes: u32,
    /// The coder's last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<AgentSession>,
    /// The last output of what made it fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<LastOutput>,
    /// The question of its agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
}

impl Last {
    /// Of a run that reported its outcome.
    pub fn of(outcome: &Outcome, reason: String) -> Last {
        Last {
            run: outcome.run.clone(),
            verdict: Some(outcome.verdict),
            reason,
            commit: outcome.commit.clone(),
            envelope: outcome.envelope.clone(),
            bundle: outcome.bundle.clone(),
            passes: outcome.passes,
            session: outcome.session.clone(),
            output: outcome.last_output.clone(),
            question: outcome.question.clone(),
        }
    }

    /// Of a run that left no outcome; what an earlier one left stays known.
    pub fn silent(run: String, reason: String, before: Option<&Last>) -> Last {
        Last {
            run,
            verdict: None,
            reason,
            commit: None,
            envelope: None,
            bundle: None,
            passes: before.map_or(0, |last| last.passes),
            session: before.and_then(|last| last.session.clone()),
            output: None,
            question: None,
        }
    }
}

/// The decision about a job's result, and its author or source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Decision {
    pub word: ReviewWord,
    /// Text that follows "merged" or "rejected".
    pub by: String,
}

#[cfg(test)]
impl Job {
    /// What its worker may leave behind.
    pub fn example_outcome(&self, verdict: Verdict, at: Stamp) -> Outcome {
        Outcome {
            run: self.run_id(),
            job: Some(self.id.clone()),
            task_id: self.task.clone(),
            agent_id: self.seat.clone(),
            verdict,
            reason: "so".into(),
            findings: Vec::new(),
            scan: Vec::new(),
            branch: String::new(),
            commit: Some("abc".into()),
            envelope: None,
            bundle: None,
            usage: Usage::default(),
            passes: 1,
            session: None,
            suspended: None,
            quotas: Default::default(),
            needs_person: false,
            last_output: None,
            question: None,
            receipts: Vec::new(),
            started_at: at,
            finished_at: at,
        }
    }
}
