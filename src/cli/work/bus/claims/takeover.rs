//! `teof bus takeover`

use std::process::ExitCode;

use super::claim::Terms;
use super::report;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::TaskFlags;
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
    flags: TaskFlags,
    #[command(flatten)]
    terms: Terms,
    /// Why; kept in the event and sent to the old holder
    #[arg(long)]
    reason: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let (task, author) = args.flags.claimant(hub, "take another task over")?;
    let mut request = Request::new(author, task);
    args.terms.put_into(&mut request);
    let repeat = args.flags.repeat.request("bus takeover", &(request.arguments(), &args.reason))?;
    let answer = take_over(hub, &request, &args.reason, repeat.as_ref())?;
    report::show(app, &answer, report::claim("Took over", app.times()));
    Ok(ExitCode::SUCCESS)
}
