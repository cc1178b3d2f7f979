//! `teof review reject`

use std::process::ExitCode;

use serde_json::json;

use super::notify::notify_coordinator;
use super::shared;
use crate::base::{Result, text};
use crate::cli::App;
use crate::review::bundles;

/// The step is blocked with the note, the claim released. Nothing of the branch is touched.
///
/// With --json: {decision, coordinator: {ok, text} or null}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, its run or its task
    job: String,
    /// Why
    #[arg(long)]
    note: String,
    /// Who rejects it, instead of git's user.name
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let entry = bundles::find(hub, &args.job)?;
    let decision = crate::review::reject(hub, &entry, &shared::input(app, args.by, Some(args.note))?)?;
    let coordinator = notify_coordinator(app, &decision)?;
    app.result(&json!({"decision": decision, "coordinator": coordinator}), || {
        format!("{} is rejected; its work stays on {}", text::safe(&decision.task_id), text::safe(&entry.bundle.branch))
    });
    Ok(ExitCode::SUCCESS)
}
