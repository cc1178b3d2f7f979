//! `teof worktree list`

use std::process::ExitCode;

use serde_json::json;

use super::row;
use crate::base::Result;
use crate::cli::App;

/// List every worktree, with its owner, task and changes
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof worktree list")]
pub struct Args {}

pub fn run(_: Args, app: &App) -> Result<ExitCode> {
    let rows = row::rows(app.hub_to_read()?)?;
    app.result(&json!({ "worktrees": rows }), || row::table(&rows, app.times()).show());
    Ok(ExitCode::SUCCESS)
}
