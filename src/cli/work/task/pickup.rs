//! `teof task pickup`

use std::process::ExitCode;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::TaskFlags;
use crate::cli::work::bus::claims::claim::{self, Terms};
use crate::cli::work::bus::claims::{offer, report};
use crate::ops::claims::claim::Request;
use crate::ops::claims::pickup::pickup;

/// Take a task that is assigned to you or unassigned
///
/// Assigns and claims in one step. Without a task it takes the best free one.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task pickup\n\
\x20 teof task pickup QUEUE-001")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    #[command(flatten)]
    terms: Terms,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if args.flags.task.given().is_none() {
        return claim::next(&args.flags.author, &args.terms, &args.flags.repeat, app);
    }
    let hub = app.hub()?;
    let (task, author) = args.flags.claimant(hub, "pick another task up")?;
    let mut request = Request::new(author, task);
    args.terms.put_into(&mut request);
    let repeat = args.flags.repeat.request("task pickup", &request.arguments())?;
    let answer = pickup(hub, &request, repeat.as_ref());
    let answer = answer.map_err(|e| offer::instead(app, &request.author.agent, e))?;
    report::show(app, &answer, report::claim("Picked up", app.times()));
    Ok(ExitCode::SUCCESS)
}
