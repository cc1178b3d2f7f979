//! Explicit submissions, and which work a name refers to.

use serde::{Deserialize, Serialize};

use super::input::Offer;
use super::word::Word;
use crate::model::priority::Priority;
use crate::model::run::job_name::is_called;

/// Work submitted by an operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Submission {
    pub task: String,
    pub plan: Option<String>,
    pub step: Option<String>,
    /// Replaces the priority of the task's source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<Priority>,
    pub word: Word,
}

impl Submission {
    /// Whether a name refers to it.
    pub fn is_called(&self, name: &str) -> bool {
        is_called(name, &self.task, self.plan.as_deref(), self.step.as_deref())
    }

    /// Whether both ask for the same work: an item and its plan, a plan and its next step.
    pub fn is_same(&self, other: &Submission) -> bool {
        let steps = (&self.step, &other.step);
        let same_step = steps.0.is_none() || steps.1.is_none() || steps.0 == steps.1;
        self.task == other.task || (self.plan.is_some() && self.plan == other.plan && same_step)
    }

    /// Whether an offer is the submitted work: the task, or the plan's next step.
    pub fn means(&self, offer: &Offer) -> bool {
        let of_plan = self.plan.is_some() && self.plan == offer.plan;
        self.task == offer.task || (of_plan && self.step.as_ref().is_none_or(|step| offer.step.as_ref() == Some(step)))
    }
}
