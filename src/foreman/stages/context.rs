//! What all stages of a run share.

use super::stage_store::StageStore;
use crate::foreman::calls::conversation;
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::watch::Watch;
use crate::guard::result::Surroundings;
use crate::hub::Hub;
use crate::model::run::outcome::{Finding, Verdict};

/// The hub, the report so far, and the means of a run: every stage gets it.
pub struct StageContext<'r, 'a, 'w> {
    pub hub: &'r Hub,
    pub report: &'r mut Report<'a>,
    pub runner: &'r Runner<'r>,
    pub watch: &'r mut Watch<'w>,
    pub before: &'r Surroundings,
    pub store: StageStore,
    pub say: &'r dyn Fn(&str),
}

impl StageContext<'_, '_, '_> {
    /// Stops the run when the job used more than its budget, which limits all its attempts together.
    pub fn over_budget(&mut self) -> Option<End> {
        conversation::is_over(self.report.work.order.budget, self.store.spent).then(|| self.overrun())
    }

    /// Reports that the job's budget is used up, and stops the run.
    pub fn overrun(&mut self) -> End {
        let (budget, spent) = (self.report.work.order.budget, self.store.spent);
        let limit = match (budget.tokens, budget.cost) {
            (0, cost) => format!("{cost} dollars"),
            (tokens, 0.0) => format!("{tokens} tokens"),
            (tokens, cost) => format!("{tokens} tokens and {cost} dollars"),
        };
        let cost = spent.cost_usd.map(|cost| format!(" and {cost:.2} dollars")).unwrap_or_default();
        let message = format!("the job used {} tokens{cost}; it may use {limit}", spent.tokens());
        let finding = Finding::high("budget.job", "", message.clone()).hint("raise the budget, or split the step");
        self.report.findings.push(finding);
        End::new(Verdict::Blocked, message)
    }
}
