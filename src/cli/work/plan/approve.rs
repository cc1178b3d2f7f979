//! `teof plan approve`

use std::process::ExitCode;

use serde_json::json;

use super::list::step_line;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::guard::operator;
use crate::model::command::Command;
use crate::ops::tasks::plan_edit;
use crate::plans::{self, PlanFile};

/// Approve the exact commands of a plan for unattended runs
///
/// Use it after you have read the commands. The approval covers the commands, tests and rollback commands of
/// all steps, with their guards; any later change needs a new one. It holds on this machine only. Only a person
/// can approve.
///
/// With --json: {plan_id, digest, by}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan show 2026-01-05-docs && teof plan approve 2026-01-05-docs")]
pub struct Args {
    /// The plan's id or path
    plan: String,
    /// Approve only if this is the commands' digest (`teof plan show --json`)
    #[arg(long, value_name = "SHA256", help_heading = MORE)]
    digest: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::require("approve commands")?;
    let hub = app.hub()?;
    let file = plans::find(hub, &args.plan)?;
    let digest = plans::commands_digest(&file.plan).ok_or_else(|| {
        Refusal::guard("plan.no_commands", format!("{} has nothing to approve", file.id()))
            .because("none of its steps has commands, tests or a rollback")
            .next(format!("give a step commands: teof plan step set {} S1 --command …", file.id()))
    })?;
    if args.digest.as_ref().is_some_and(|wanted| *wanted != digest) {
        return Err(Refusal::guard(
            "plan.digest",
            format!("the commands of {} are not the ones you looked at", file.id()),
        )
        .because(format!("their digest is {digest}"))
        .next(format!("see them: teof plan show {}", file.id()))
        .into());
    }
    let by = operator::name(app.hub()?, None)?;
    plan_edit::approve(hub, &file.path, &digest, &by)?;
    let document = json!({"plan_id": file.id(), "digest": digest, "by": by});
    app.result(&document, || render(&file, &digest));
    Ok(ExitCode::SUCCESS)
}

/// What was approved, in full: nothing of it is clipped.
fn render(file: &PlanFile, digest: &str) -> String {
    let mut lines = vec![format!("approved on this machine: {} ({})", file.id(), &digest[..12])];
    for step in file.plan.steps() {
        lines.push(step_line(&step));
        for (what, commands) in [("", step.commands()), ("rollback: ", step.rollback())] {
            let commands = commands.unwrap_or_default();
            lines.extend(commands.iter().map(|command| format!("  {what}$ {}", in_full(command))));
        }
        lines.extend(step.tests().iter().map(|test| format!("  test: $ {}", text::safe(test))));
    }
    lines.join("\n")
}

/// A command with everything that changes what it does.
pub(in crate::cli) fn in_full(command: &Command) -> String {
    let env = command.env.iter().map(|(name, value)| format!("{name}={value} "));
    let cwd = command.cwd.as_ref().map_or_else(String::new, |cwd| format!("  (in {cwd})"));
    text::safe(&format!("{}{command}{cwd}", env.collect::<String>()))
}
