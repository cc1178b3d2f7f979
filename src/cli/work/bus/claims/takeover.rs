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

/// Take over a task whose claim has expired
///
/// Use it when the holder is gone. It is refused while the lease of the claim is live or its run is going on.
/// The old holder gets a message.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus takeover QUEUE-003 --reason \"codex-2 is gone\"")]
pub struct Args {
    #[command(flatten)]
    task: Task,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
    #[command(flatten)]
    terms: Terms,
    /// Why; kept in the event and sent to the old holder
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
