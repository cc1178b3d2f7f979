//! What one call of an agent is to do, and within which budget.

use crate::agents::{Agent, Session};
use crate::foreman::reporting::live::{Publisher, SessionFolder};
use crate::foreman::work::Work;
use crate::model::agent::Usage;
use crate::model::run::noticed::Decided;
use crate::model::run::order::Spend;

/// Which agent to call, with what, and within which budget.
pub struct CallRequest<'a> {
    pub agent: &'a Agent,
    pub model: Option<&'a str>,
    pub prompt: &'a str,
    pub session: Session<'a>,
    /// What the session used before this call.
    pub earlier: Option<Usage>,
    /// Its name in the run.
    pub name: &'a str,
    /// What a person decided about operations that its agent asked about.
    pub decided: &'a Decided,
    /// The folder of its session.
    pub folder: &'a SessionFolder,
    /// The work that the call is for.
    pub work: &'a Work,
    pub run: &'a str,
    pub budget: Spend,
    /// Prints what the agent does.
    pub say: &'a dyn Fn(&str),
    /// Publishes it for screens.
    pub live: &'a Publisher<'a>,
    /// What the job used before this call.
    pub spent: Usage,
    /// What this run used before this call.
    pub run_spent: Usage,
}

impl CallRequest<'_> {
    /// What is left of the cost budget, in US dollars; `None` without a limit.
    pub fn remaining_budget(&self) -> Option<f64> {
        (self.budget.cost > 0.0).then(|| (self.budget.cost - self.spent.cost_usd.unwrap_or(0.0)).max(0.0))
    }
}
