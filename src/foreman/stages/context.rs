//! What all stages of a run share.

use super::stage_store::StageStore;
use crate::foreman::calls::conversation;
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::watch::Watch;
use crate::guard::result::Surroundings;
use crate::hub::Hub;
use crate::model::run::outcome::{Finding, Verdict};

/// Hub, report, runner and watch of a run, passed to every stage.
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
    /// Ends the run when the job is over its budget, which covers all its attempts.
    pub fn over_budget(&mut self) -> Option<End> {
        conversation::is_over(self.report.work.order.budget, self.store.spent).then(|| self.overrun())
    }

    /// Reports that the job's budget is used up and ends the run.
    pub fn overrun(&mut self) -> End {
        let (budget, spent) = (self.report.work.order.budget, self.store.spent);
        let limit = match (budget.tokens, budget.cost) {
            (0, cost) => format!("${cost}"),
            (tokens, 0.0) => crate::base::text::counted(tokens, "token"),
            (tokens, cost) => format!("{} and ${cost}", crate::base::text::counted(tokens, "token")),
        };
        let cost = spent.cost_usd.map(|cost| format!(" and ${cost:.2}")).unwrap_or_default();
        let message = format!(
            "the job used {}{cost}; its budget is {limit}",
            crate::base::text::counted(spent.tokens(), "token")
        );
        let finding = Finding::high("budget.job", "", message.clone()).hint("raise the budget, or split the step");
        self.report.findings.push(finding);
        End::new(Verdict::Blocked, message)
    }
}
