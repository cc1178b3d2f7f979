//! `teof coordinator logs`

use std::process::ExitCode;

use serde_json::json;

use super::last_output;
use crate::base::{Refusal, Result, files, names, text};
use crate::cli::App;
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::state::store;

/// The largest log that is shown, in bytes.
const MAX: u64 = 64 * 1024 * 1024;

/// Print the log of a job's worker
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator logs j1")]
pub struct Args {
    /// A job, a run, or a task (its last job)
    name: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let found = state.find(&args.name);
    let job = found.as_ref().ok().copied();
    let run = job.map_or_else(|| args.name.clone(), |job| job.run_id());
    let missing = || {
        let why = found.as_ref().err().cloned().unwrap_or_default();
        Refusal::not_found("log.missing", why).next("see all jobs: teof coordinator status")
    };
    names::check_id("run", &run).map_err(|_| missing())?;
    let path = hub.local(&format!("{LOGS}/{run}.log"));
    let bytes = files::read(&path, MAX)?;
    // A job that never got as far as a worker has a reason all the same.
    let bytes = match (bytes, job) {
        (Some(bytes), _) => bytes,
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(missing().into()),
    };
    let said = String::from_utf8_lossy(&bytes);
    let output = job.and_then(|job| job.last.as_ref()).and_then(|last| last.output.clone());
    app.result(&json!({"job": job.map(|job| &job.id), "short": job.map(|job| job.short()), "run": run, "path": path, "text": said, "last_output": output}), || {
        let story = job.map(|job| last_output::describe(hub, job)).unwrap_or_default();
        format!("{}\n{}", text::safe_block(said.trim_end()), story.join("\n")).trim().to_owned()
    });
    Ok(ExitCode::SUCCESS)
}
