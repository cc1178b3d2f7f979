//! What all stages of a run share.

use std::ops::ControlFlow;

use super::stage_store::StageStore;
use crate::base::Result;
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::envelope::StageReport;
use crate::foreman::reporting::live::Publisher;
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::results::command_result::CommandResult;
use crate::foreman::watch::Watch;
use crate::guard::result::Surroundings;
use crate::hub::Hub;
use crate::model::command::Command;
use crate::model::run::noticed::Noticed;
use crate::model::run::outcome::{Finding, Verdict};

/// Hub, report, runner and watch of a run, passed to every stage.
pub struct StageContext<'r, 'a, 'w> {
    pub hub: &'r Hub,
    pub report: &'r mut Report<'a>,
    pub runner: &'r Runner<'r>,
    pub watch: &'r mut Watch<'w>,
    pub before: &'r Surroundings,
    /// Nothing ran in the worktree before this run, and no set-up in this one.
    pub is_new: bool,
    pub store: StageStore,
    pub say: &'r dyn Fn(&str),
    pub live: &'r Publisher<'r>,
}

impl StageContext<'_, '_, '_> {
    /// The report of a stage that this run starts.
    pub fn new_stage(&self, name: &str, round: u32) -> StageReport {
        self.live.stage(name, round);
        StageReport { run: Some(self.report.run.clone()), ..StageReport::new(name, round) }
    }

    /// Runs a command unless the run must stop, and adds the result to `results`. `Break` ends the run.
    pub fn run(
        &mut self,
        command: &Command,
        name: &str,
        results: &mut Vec<CommandResult>,
    ) -> Result<ControlFlow<End, CommandResult>> {
        self.live.said(&command.title());
        let findings = &mut self.report.findings;
        let ran = self.runner.run_unless_stopped(command, name, self.watch, results, findings)?;
        Ok(ran.map_break(End::from))
    }

    /// Ends the run when the job is over its budget, which covers all its attempts.
    pub fn over_budget(&mut self) -> Option<End> {
        self.report.work.order.budget.is_over(self.store.spent).then(|| self.overrun())
    }

    /// A rule of the monitor pauses the job: a person decides whether it goes on.
    pub fn ask_about(&mut self, noticed: &Noticed) -> End {
        let question = format!(
            "The agent did something that the rule {} pauses a job for:\n\n    {}\n\nMay the job go on? The agent gets \
                your answer.",
            noticed.rule, noticed.text
        );
        self.report.question = Some(question);
        End::new(Verdict::Paused, format!("paused by the monitor: {}", noticed.describe()))
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
