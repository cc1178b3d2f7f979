//! `teof coordinator logs`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Refusal, Result, files, text};
use crate::cli::App;
use crate::coordinator::shell::workers::LOGS;
use crate::coordinator::store;

/// The largest log that is shown, in bytes.
const MAX: u64 = 64 * 1024 * 1024;

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A job, a run, or a task (its last job)
    name: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let named = |job: &&crate::coordinator::state::Job| {
        job.id == args.name || job.task == args.name || job.run_id() == args.name
    };
    let run = match state.jobs.iter().rev().find(named) {
        Some(job) => job.run_id(),
        None => args.name.clone(),
    };
    let missing = || {
        Refusal::not_found("log.missing", format!("there is no log of {}", text::safe(&args.name)))
            .next("jobs and their runs: teof coordinator status")
    };
    crate::base::names::check_id("run", &run).map_err(|_| missing())?;
    let path = hub.local(&format!("{LOGS}/{run}.log"));
    let bytes = files::read(&path, MAX)?.ok_or_else(missing)?;
    let said = String::from_utf8_lossy(&bytes);
    app.result(&json!({"run": run, "path": path, "text": said}), || text::safe_block(said.trim_end()));
    Ok(ExitCode::SUCCESS)
}
