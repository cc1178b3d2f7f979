//! `teof task pickup`

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::App;
use crate::cli::author::{Flags, Task};
use crate::cli::bus::claim::{self, Terms};
use crate::cli::bus::{offer, report};
use crate::ops::claim::Request;
use crate::ops::pickup::pickup;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// Without a task, the best that is free is taken
    #[command(flatten)]
    task: Task,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    terms: Terms,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let Some(task) = args.task.given() else { return claim::next(&args.author, &args.terms, app) };
    let hub = app.hub()?;
    let mut request = Request::new(args.author.author(hub, Some(task))?, task);
    args.terms.put_into(&mut request);
    let done = pickup(hub, &request).map_err(|e| offer::instead(app, &request.author.agent, e))?;
    report::show(app, &done, "picked up");
    Ok(ExitCode::SUCCESS)
}
