//! `teof bus pause`

use std::process::ExitCode;

use super::report;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::TaskFlags;
use crate::ops::claims::takeover::pause;

/// Pause your claim, or the expired claim of another seat
///
/// Use it when you cannot continue for now but want to keep the task.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus pause QUEUE-002 --reason \"Waiting for review\"")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    /// Why; kept in the claim and in the event
    #[arg(long)]
    reason: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let (task, author) = args.flags.checked(hub, "pause another task")?;
    let repeat = args.flags.repeat.request("bus pause", &(&author.agent, task, &args.reason))?;
    let answer = pause(hub, &author, task, &args.reason, repeat.as_ref())?;
    report::show(app, &answer, report::claim("Paused", app.times()));
    Ok(ExitCode::SUCCESS)
}
