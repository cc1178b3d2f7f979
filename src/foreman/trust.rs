//! Checks that a person allowed what a worker is about to run unattended. Called before every command.

use crate::base::{Refusal, Result};
use crate::guard::consent;
use crate::guard::trust::commands;
use crate::hub::Hub;
use crate::model::command::Command;
use crate::model::run::order::{Binding, Order};
use crate::plans::{commands_digest, store};

/// Refuses unless the current consent covers unattended execution, and every command and test of the order is in the
/// approved plan or covered by trusted settings.
pub fn require(hub: &Hub, order: &Order) -> Result<()> {
    consent::require_job(hub, &order.task_id, order.plan_id.as_deref(), order.step_id.as_deref())?;
    let trusted = commands::trusted(hub)?;
    let own = &hub.settings()?.guard.tests;
    // Tests from the settings were granted with teof.toml.
    let tests = order.guardrails.tests.iter().filter(|line| !own.contains(line)).map(|line| Command::shell(line));
    let all: Vec<Command> = order.commands.iter().cloned().chain(tests).collect();
    roles(hub, order)?;
    let Some(plan) = Approvable::find(hub, order)? else { return trusted.require(None, &all) };
    let (of_the_plan, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(|command| plan.holds(command));
    trusted.require(Some((&plan.id, &plan.digest)), &of_the_plan)?;
    trusted.require(None, &rest)
}

/// A role's command must be bound to a role in the settings, which were granted with teof.toml.
fn roles(hub: &Hub, order: &Order) -> Result<()> {
    let settings = hub.settings()?;
    let routed = settings.routing.iter().flat_map(|route| route.roles.values());
    let granted: Vec<&str> = settings.roles.values().chain(routed).filter_map(line).collect();
    match order.roles.values().filter_map(line).find(|line| !granted.contains(line)) {
        None => Ok(()),
        Some(line) => {
            let line = crate::base::text::clip(&crate::base::text::safe(line), 200);
            Err(Refusal::unattended("commands.untrusted", format!("command not trusted: {line}"))
                .because("no role in teof.toml is bound to this command")
                .next("set it as the command of a role in teof.toml, then: teof consent grant")
                .into())
        }
    }
}

fn line(binding: &Binding) -> Option<&str> {
    binding.command.as_deref()
}

/// The order's step in the current plan, and the digest that an approval names.
struct Approvable {
    id: String,
    digest: String,
    commands: Vec<Command>,
}

impl Approvable {
    fn find(hub: &Hub, order: &Order) -> Result<Option<Self>> {
        let (Some(plan), Some(step)) = (&order.plan_id, &order.step_id) else { return Ok(None) };
        let plan = match store::find(hub, plan) {
            Ok(found) => found.plan,
            // A missing or damaged plan approves nothing.
            Err(e) if Refusal::of(&e).is_some() => return Ok(None),
            Err(e) => return Err(e),
        };
        let (Some(digest), Some(step)) = (commands_digest(&plan), plan.step(step)) else { return Ok(None) };
        let tests = step.tests().into_iter().map(Command::shell);
        let commands = step.commands().unwrap_or_default().into_iter().chain(tests).collect();
        Ok(plan.id().map(|id| Self { id: id.to_owned(), digest, commands }))
    }

    fn holds(&self, command: &Command) -> bool {
        self.commands.contains(command)
    }
}
