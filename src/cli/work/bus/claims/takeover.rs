//! `teof bus takeover`

use std::process::ExitCode;

use super::claim::Terms;
use super::report;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::{Flags, Task};
use crate::cli::work::bus::write::Repeat;
use crate::guard::operator;
use crate::ops::claims::claim::Request;
use crate::ops::claims::takeover::take_over;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    task: Task,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    terms: Terms,
    /// Why; kept in the event and told to the seat that had the task
    #[arg(long)]
    reason: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let task = args.task.name()?;
    operator::run::check_task(hub, task, "take another task over")?;
    let mut request = Request::new(args.author.author(hub, Some(task))?, task);
    args.terms.put_into(&mut request);
    let repeat = args.repeat.request("bus takeover", &(request.arguments(), &args.reason))?;
    let answer = take_over(hub, &request, &args.reason, repeat.as_ref())?;
    report::show(app, &answer, report::claim("took over"));
    Ok(ExitCode::SUCCESS)
}
