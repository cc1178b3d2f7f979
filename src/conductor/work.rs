//! Determines what an unattended worker would run for a candidate, whether it may, and what its work order would
//! lack.

use super::candidate::{Candidate, Standing, Work, replace_open};
use super::routing::{self, Route, unknown_agent};
use crate::base::{Refusal, Result};
use crate::guard::trust::commands::{self, TrustedCommands};
use crate::hub::Hub;
use crate::hub::settings::Settings;
use crate::model::backlog::Item;
use crate::model::command::{Command, Program};
use crate::model::plan::{Plan, Step};
use crate::model::run::order::Complexity;
use crate::plans::commands_digest;

/// What may run here, read once for all candidates.
pub(super) struct WorkResolver<'a> {
    settings: &'a Settings,
    trusted: TrustedCommands,
}

impl<'a> WorkResolver<'a> {
    pub fn new(hub: &'a Hub) -> Result<WorkResolver<'a>> {
        // An unreadable trust file trusts nothing; the work then waits for a person.
        let trusted = match commands::trusted(hub) {
            Ok(trusted) => trusted,
            Err(e) if Refusal::of(&e).is_some() => TrustedCommands::default(),
            Err(fault) => return Err(fault),
        };
        Ok(WorkResolver { settings: hub.settings()?, trusted })
    }

    /// Whether agents do work without commands by default.
    pub fn has_coder(&self) -> bool {
        self.settings.roles.get("coder").is_some_and(|coder| coder.agent.is_some() || coder.command.is_some())
    }

    /// Fills in the step's values, with the settings as defaults.
    pub fn of_step(&self, plan: &Plan, step: &Step<'_>, candidate: &mut Candidate) {
        candidate.missing = self.missing(plan, step);
        candidate.paths = step.allowed().into_iter().map(str::to_owned).collect();
        candidate.work = match step.commands().and_then(|own| Ok((own, step.expected_receipts()?))) {
            Err(why) => {
                let step = step.id().unwrap_or_default();
                replace_open(
                    &mut candidate.standing,
                    Standing::Damaged(format!("its step {step} is not valid: {why}")),
                );
                Work::Nothing
            }
            Ok((own, _)) if !own.is_empty() => {
                // The step's tests are run too, by the foreman.
                let tests = step.tests().into_iter().map(line);
                self.approved(Some(plan), own.into_iter().chain(tests).collect())
            }
            Ok(_) => match routing::of_step(self.settings, plan, step) {
                Some(found) => self.agents(plan, step, found, candidate),
                None => self.default_work(step.tests().into_iter().map(line).collect(), Some(plan)),
            },
        };
    }

    /// The step's own tests must be trusted like commands; those of the settings were trusted with `teof.toml`.
    fn agents(
        &self,
        plan: &Plan,
        step: &Step<'_>,
        found: Result<(Complexity, Route), String>,
        candidate: &mut Candidate,
    ) -> Work {
        let (complexity, route) = match found {
            Ok(found) => found,
            Err(why) => return Work::NoRoute(why),
        };
        if let Some((name, next)) = unknown_agent(self.settings, &route.agents) {
            return Work::UnknownAgent(name, next);
        }
        let tests = step.tests().into_iter().filter(|test| !self.settings.guard.tests.iter().any(|own| own == test));
        if let refused @ Work::NotApproved(_) = self.approved(Some(plan), tests.map(line).collect()) {
            return refused;
        }
        let agents = route.agents.clone();
        candidate.route = Some((complexity, route));
        Work::Agents(agents)
    }

    /// An item without a plan runs the commands of the settings; everything else needs a plan.
    pub fn of_item(&self, item: Item<'_>, candidate: &mut Candidate) {
        candidate.work = self.default_work(Vec::new(), None);
        candidate.missing = named([
            ("goal", item.title().is_none()),
            ("acceptance", true),
            ("verification", self.settings.guard.tests.is_empty()),
            ("targets", item.layer().is_none() || item.systemic_targets().is_empty()),
        ]);
    }

    fn default_work(&self, tests: Vec<Command>, plan: Option<&Plan>) -> Work {
        let default: Vec<Command> = self.settings.commands.default.iter().map(|text| line(text)).collect();
        if default.is_empty() {
            return Work::Nothing;
        }
        self.approved(plan, default.into_iter().chain(tests).collect())
    }

    fn approved(&self, plan: Option<&Plan>, commands: Vec<Command>) -> Work {
        let digest = plan.and_then(|plan| Some((plan.id()?, commands_digest(plan)?)));
        let plan = digest.as_ref().map(|(id, digest)| (*id, digest.as_str()));
        match self.trusted.require(plan, &commands) {
            Ok(()) => Work::Commands,
            Err(why) => Work::NotApproved(match Refusal::of(&why).and_then(|refusal| refusal.next.first()) {
                Some(next) => format!("{why}; {next}"),
                None => why.to_string(),
            }),
        }
    }

    /// The same questions as [`Order::missing`](crate::model::run::order::Order::missing), asked before
    /// anything is claimed. Recovery is never missing: the base commit is always known.
    fn missing(&self, plan: &Plan, step: &Step<'_>) -> Vec<&'static str> {
        let guard = &self.settings.guard;
        let nothing_expected = step.expected_receipts().is_ok_and(|expected| expected.is_empty());
        named([
            ("goal", step.objective().is_none()),
            ("acceptance", plan.checkpoint().description().is_none()),
            ("verification", step.tests().is_empty() && guard.tests.is_empty() && nothing_expected),
            ("risk", step.diff_limit().unwrap_or(guard.diff_limit) == 0),
            ("targets", plan.layer().is_none() || plan.systemic_targets().is_empty()),
        ])
    }
}

fn named<const N: usize>(checks: [(&'static str, bool); N]) -> Vec<&'static str> {
    checks.into_iter().filter(|(_, missing)| *missing).map(|(name, _)| name).collect()
}

fn line(text: &str) -> Command {
    Command {
        program: Program::Shell(text.to_owned()),
        label: None,
        description: None,
        cwd: None,
        env: Default::default(),
        timeout: None,
    }
}
