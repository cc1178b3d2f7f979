//! `teof review reject`

use std::process::ExitCode;

use serde_json::json;

use super::notify::notify_coordinator;
use super::shared;
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::review::bundles;

/// Reject a job: its step is blocked, its branch is kept
///
/// With --json: {decision, coordinator: {ok, text} or null}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review reject j1 --note \"Not wanted any more\"")]
pub struct Args {
    /// A job: j1, its run or its task
    job: String,
    /// Why
    #[arg(long)]
    note: String,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

impl Args {
    /// To reject a job.
    pub fn of(job: &str, note: String) -> Args {
        Args { job: job.to_owned(), note, by: None }
    }
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
