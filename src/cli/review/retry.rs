//! `teof review retry`

use std::process::ExitCode;

use serde_json::json;

use super::tell::tell;
use crate::base::{Result, text};
use crate::cli::App;
use crate::review::bundles;

/// The coder goes on from the reviewed commit, on the target as it is now, with the note as its finding
/// and all its passes anew.
///
/// With --json: {decision, coordinator: {ok, text} or null}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, its run or its task
    job: String,
    /// What is to be done
    #[arg(long)]
    note: String,
    /// Who says so, instead of git's user.name
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let entry = bundles::find(hub, &args.job)?;
    let decision = crate::review::retry(hub, &entry, &super::word(app, args.by, Some(args.note))?)?;
    let coordinator = tell(app, &decision)?;
    app.result(&json!({"decision": decision, "coordinator": coordinator}), || {
        format!("{} goes back to the coder", text::safe(&decision.task_id))
    });
    Ok(ExitCode::SUCCESS)
}
