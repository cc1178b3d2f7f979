//! A job: the coordinator's record of one piece of work, where it stands, and what its runs left. Only data.

use serde::{Deserialize, Serialize};

use super::input::ReviewWord;
use super::word::Word;
use super::work::{Ending, Work};
use crate::base::Stamp;
use crate::model::agent::{AgentSession, Usage};
use crate::model::plan::Link;
use crate::model::run::job_name::{self, Names, is_called};
use crate::model::run::order::Rework;
use crate::model::run::outcome::{LastOutput, Outcome, Verdict};

/// The coordinator's record of one piece of work, from its choice to its end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Job {
    /// As [`job_name::id`] makes it: unique even when this file was lost.
    pub id: String,
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    /// What the plan is made of when the job is given, where there is none yet.
    pub origin: Option<Link>,
    pub title: String,
    /// Where it was found: `submission`, `backlog`, `plan`…
    pub source: String,
    pub seat: String,
    pub phase: Phase,
    /// The epoch of the claim under which the seat works.
    pub epoch: Option<u64>,
    /// The work order, relative to the hub.
    pub order: Option<String>,
    /// What the order asks for.
    #[serde(default)]
    pub work: Work,
    /// Which run it is, from 1. A run that died is resumed under its own number.
    pub run: u32,
    /// Process failures and time-outs so far.
    pub failures: u32,
    /// How often its worker vanished, or paused unasked.
    pub interruptions: u32,
    /// An operator wants it ended.
    pub wish: Option<Wish>,
    /// What the last run came to.
    pub last: Option<Last>,
    /// What the current run used so far, as far as it is counted in [`State::spent`](super::State::spent).
    #[serde(default)]
    pub counted: Usage,
    /// What was decided about its result.
    #[serde(default)]
    pub decision: Option<Decision>,
    /// It was sent back after its work was finished: what for, and what to go on from.
    #[serde(default)]
    pub rework: Option<Rework>,
    /// What a person answered to its agent, until the worker that is to hear it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<String>,
    /// When its claim's lease was made longer last, while it is under review.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept: Option<Stamp>,
    /// The number of its pull request.
    #[serde(default)]
    pub pull_request: Option<u64>,
    pub chosen_at: Stamp,
}

impl Job {
    /// The id of the current run: what the worker, its trailers and its outcome file are known by.
    pub fn run_id(&self) -> String {
        format!("{}.{}", self.id, self.run)
    }

    /// What people read and type: `j7`.
    pub fn short(&self) -> String {
        job_name::short(&self.id).into_owned()
    }

    /// The names by which people find it.
    pub fn names(&self) -> Names<'_> {
        Names { id: &self.id, run: self.run, task: &self.task, plan: self.plan.as_deref(), step: self.step.as_deref() }
    }

    /// What its worktree, commits and kept results are known by: work that was sent back begins anew.
    pub fn known_as(&self) -> String {
        match &self.rework {
            Some(rework) => format!("{}-r{}", self.id, rework.nth),
            None => self.id.clone(),
        }
    }

    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Over { .. })
    }

    /// Whether it takes one of the slots: its worker runs or is about to.
    pub fn takes_a_slot(&self) -> bool {
        matches!(self.phase, Phase::Assigning | Phase::Ordering | Phase::Spawning | Phase::Running { .. })
    }

    /// Whether it waits for time, permission or a decision, with nothing under way.
    pub fn rests(&self) -> bool {
        let asks = matches!(self.phase, Phase::Question { .. });
        asks || matches!(self.phase, Phase::Waiting { .. } | Phase::Held | Phase::Review { .. } | Phase::Over { .. })
    }

    /// Whether its agent waits for a person's answer.
    pub fn asks(&self) -> bool {
        matches!(self.phase, Phase::Question { .. })
    }

    /// Whether its work is finished and a person is to decide about it.
    pub fn is_under_review(&self) -> bool {
        matches!(self.phase, Phase::Review { .. })
    }

    /// Whether people mean it: by its id or its short name, by its run, its task, its plan or its step.
    pub fn is_called(&self, name: &str) -> bool {
        self.names().is_own(name) || is_called(name, &self.task, self.plan.as_deref(), self.step.as_deref())
    }

    /// The commit that its last run left.
    pub fn commit(&self) -> Option<&str> {
        self.last.as_ref().and_then(|last| last.commit.as_deref())
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Phase {
    /// Its claim is being taken, or renewed before another attempt.
    #[serde(rename = "giving")]
    Assigning,
    /// Its work order is being written.
    Ordering,
    /// Its worker is being started.
    Spawning,
    Running {
        since: Stamp,
    },
    /// It failed and may be tried again then.
    Waiting {
        until: Stamp,
    },
    /// Nothing is wrong with it; it goes on when things may start again.
    Held,
    /// Its agent asked something and a person is to answer; its claim is kept.
    Question {
        since: Stamp,
    },
    /// Its work is finished and a person is to decide about it; its claim is kept.
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

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub word: Word,
    /// The seat that is to have it instead; `None` means that nobody is.
    pub to: Option<String>,
    /// At once, not at the end of the stage.
    pub now: bool,
}

/// What a run came to, as far as people ask for it later; the rest is in its outcome and envelope.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    pub run: String,
    /// `None` when the worker died without a word.
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
    /// What was said last by what kept it from success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub output: Option<LastOutput>,
    /// What its agent asks.
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

/// What was decided about a job's result, and who said so or where it was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    pub word: ReviewWord,
    /// In words that follow "merged" or "rejected".
    pub by: String,
}
