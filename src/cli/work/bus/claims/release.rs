//! `teof bus release`

use std::process::ExitCode;

use super::report;
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::TaskFlags;
use crate::coordinator::state::store;
use crate::model::claim::ClaimStatus;
use crate::ops::claims::release::{Request, release};

/// Release a claim when the work is done or given up
///
/// Use it when you stop working on a task. `--status released` leaves the task for someone else.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus release QUEUE-002   # the work is done\n\
\x20 teof bus release QUEUE-002 --status released --notes \"Half done\"")]
pub struct Args {
    #[command(flatten)]
    flags: TaskFlags,
    /// State of the work: done, released (others may take it) or paused
    #[arg(long, default_value = "done", value_parser = status)]
    status: ClaimStatus,
    /// New notes of the claim
    #[arg(long)]
    notes: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let (task, author) = args.flags.checked(hub, "release another task")?;
    let request = Request { author, task: task.to_owned(), status: args.status, notes: args.notes };
    let arguments = (&request.author.agent, &request.task, request.status.as_str(), &request.notes);
    let repeat = args.flags.repeat.request("bus release", &arguments)?;
    // Readable or not, the coordinator's state keeps nobody from letting go.
    let state = store::load(hub).unwrap_or_default();
    if let Some(job) = state.live_jobs().find(|job| job.task == request.task && job.is_under_review()) {
        app.say(format!(
            "the work of {} waits for a person's decision under this claim: teof review show {}",
            job.task, job.id
        ));
    }
    let verb = if request.status == ClaimStatus::Paused { "Paused" } else { "Released" };
    report::show(app, &release(hub, &request, repeat.as_ref())?, report::claim(verb, app.times()));
    Ok(ExitCode::SUCCESS)
}

fn status(text: &str) -> Result<ClaimStatus, String> {
    let status = ClaimStatus::parse(text).filter(|status| *status != ClaimStatus::Active);
    status.ok_or_else(|| "it must be done, released or paused".to_owned())
}
