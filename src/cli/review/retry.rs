//! `teof review retry`

use std::process::ExitCode;

use serde_json::json;

use super::notify::notify_coordinator;
use super::shared;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::coordinator::state::Phase;
use crate::coordinator::state::store;
use crate::hub::Hub;
use crate::model::run::bundle::Bundle;
use crate::review::bundles;

/// Send a job back to the coder with a note
///
/// The coder continues from the reviewed commit, on the current target, with your note as a finding and a fresh
/// number of passes.
///
/// With --json: {decision, coordinator: {ok, text} or null}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review retry j1 --note \"Handle the empty list\"")]
pub struct Args {
    /// A job: j1, its run or its task
    job: String,
    /// What to do
    #[arg(long)]
    note: String,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

impl Args {
    /// To send a job back.
    pub fn of(job: &str, note: String) -> Args {
        Args { job: job.to_owned(), note, by: None }
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let entry = bundles::find(hub, &args.job)?;
    can_go_on(hub, &entry.bundle)?;
    let decision = crate::review::retry(hub, &entry, &shared::input(app, args.by, Some(args.note))?)?;
    let coordinator = notify_coordinator(app, &decision)?;
    app.result(&json!({"decision": decision, "coordinator": coordinator}), || {
        format!("{} goes back to the coder", text::safe(&decision.task_id))
    });
    Ok(ExitCode::SUCCESS)
}

/// Asked before the word is written down: once it is, the result cannot be approved any more.
fn can_go_on(hub: &Hub, bundle: &Bundle) -> Result<()> {
    let why = match store::load(hub)?.job(&bundle.job).map(|job| &job.phase) {
        Some(Phase::Over { ending, .. } | Phase::Finalizing { ending }) => format!("it is over: {}", ending.as_str()),
        Some(_) => return Ok(()),
        None => "the coordinator does not know the job: it was run by hand, or long ago".to_owned(),
    };
    Err(Refusal::guard("review.over", format!("nobody can go on with {}", bundle.short()))
        .because(why)
        .next("have it done as new work: teof coordinator submit --objective \"…\"")
        .into())
}
