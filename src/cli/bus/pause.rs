//! `teof bus pause`

use std::process::ExitCode;

use super::report;
use crate::base::Result;
use crate::cli::App;
use crate::cli::author::{Flags, Task};
use crate::ops::takeover::pause;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    task: Task,
    #[command(flatten)]
    author: Flags,
    /// Why; kept in the claim's notes and in the event
    #[arg(long)]
    reason: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let task = args.task.name()?;
    let done = pause(hub, &args.author.author(hub, Some(task))?, task, &args.reason)?;
    report::show(app, &done, "paused");
    Ok(ExitCode::SUCCESS)
}
