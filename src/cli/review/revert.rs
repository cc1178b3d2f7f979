//! `teof review revert`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::review::bundles;

/// Makes a commit that undoes the merge, on the target, as carefully as the merge was made; the step and
/// the backlog's item are open again. Refused when later work stands on it.
///
/// With --json: {decision}.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The job, its run or its task
    job: String,
    /// Why
    #[arg(long)]
    note: Option<String>,
    /// Who takes it back, instead of git's user.name
    #[arg(long, value_name = "NAME")]
    by: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let entry = bundles::find(hub, &args.job)?;
    let word = super::word(app, args.by, args.note)?;
    let decision = crate::review::revert(hub, &entry, &word, &|line| super::talk(app, line))?;
    app.result(&json!({"decision": decision}), || {
        let commit = decision.merge_commit.as_deref().unwrap_or_default();
        format!(
            "{} is taken back from {}: {commit}",
            text::safe(&decision.task_id),
            text::safe(&decision.target_branch)
        )
    });
    Ok(ExitCode::SUCCESS)
}
