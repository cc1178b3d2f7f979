//! `teof coordinator logs`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::last_output;
use crate::base::json::compact;
use crate::base::{Refusal, Result, files, names, text};
use crate::cli::App;
use crate::cli::support::terminal::{Meaning, paint, style};
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::process;
use crate::coordinator::state::store;
use crate::coordinator::worker_log::{LogTail, Said, said};
use crate::hub::Hub;
use crate::hub::watch::Watch;

/// The largest log that is shown, in bytes.
const MAX: u64 = 64 * 1024 * 1024;

/// Print what a job's worker does: stages, tool calls, text
///
/// The log also names the file with the agent's raw output. With --follow it goes on until the job ends or waits for
/// a person; press Ctrl-C to stop earlier.
///
/// With --json: {job, short, run, path, text, last_output}; with --follow one {run, line} per line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator logs j1\n\
\x20 teof coordinator logs j1 --follow")]
pub struct Args {
    /// A job, a run, or a task (its last job) [default: the newest job]
    name: Option<String>,
    /// Keep printing new lines while the job works
    #[arg(long, short)]
    follow: bool,
}

/// How often the state is read while a log is followed and nothing seems to change.
const SAFETY: Duration = Duration::from_secs(1);

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let state = store::load(hub)?;
    let Some(name) = args.name.or_else(|| state.jobs.last().map(|job| job.id.clone())) else {
        return Err(Refusal::not_found("log.missing", "no job has started yet").next("start some: teof run").into());
    };
    let found = state.find(&name);
    let job = found.as_ref().ok().copied();
    if args.follow
        && let Some(job) = job
    {
        return follow(app, hub, &job.id);
    }
    let run = job.map_or_else(|| name.clone(), |job| job.run_id());
    let missing = || {
        let why = found.as_ref().err().cloned().unwrap_or_default();
        Refusal::not_found("log.missing", why).next("see all jobs: teof status")
    };
    names::check_id("run", &run).map_err(|_| missing())?;
    let path = hub.local(&format!("{LOGS}/{run}.log"));
    let bytes = match (files::read(&path, MAX)?, job) {
        (Some(bytes), _) => bytes,
        // A job that was stopped before its worker started has a reason all the same.
        (None, Some(_)) => Vec::new(),
        (None, None) => return Err(missing().into()),
    };
    let said = String::from_utf8_lossy(&bytes);
    let output = job.and_then(|job| job.last.as_ref()).and_then(|last| last.output.clone());
    let document = json!({
        "job": job.map(|job| &job.id), "short": job.map(|job| job.short()), "run": run, "path": path, "text": said,
        "last_output": output,
    });
    app.long_result(&document, || {
        let lines = said.trim_end().lines().map(line);
        let story = job.map(|job| last_output::describe(hub, &state, job)).unwrap_or_default();
        style::prose(lines.chain(story).collect::<Vec<_>>().join("\n").trim()).into_owned()
    });
    Ok(ExitCode::SUCCESS)
}

/// Prints a job's log as it grows, over all its runs, until the job needs no worker or no coordinator runs it.
fn follow(app: &App, hub: &Hub, id: &str) -> Result<ExitCode> {
    let (logs, local) = (hub.local(LOGS), hub.local(""));
    let watch = Watch::on([logs.as_path(), local.as_path()]);
    let mut log = LogTail::new(hub, "");
    let print = |run: &str, lines: Vec<String>| {
        for new in lines {
            match app.json() {
                true => app.out(compact(&json!({"run": run, "line": new}))),
                false => app.out(style::prose(&line(&new))),
            }
        }
    };
    loop {
        let state = store::load(hub)?;
        let Some(job) = state.job(id) else { return Ok(ExitCode::SUCCESS) };
        let is_settled = job.is_over() || job.is_under_review() || job.asks() || process::holder(hub)?.is_none();
        let old = log.run().to_owned();
        print(&old, log.switch_to(&job.run_id()));
        let news = log.new_lines();
        print(log.run(), news);
        if is_settled {
            last_output::describe(hub, &state, job).iter().for_each(|line| app.say(line));
            return Ok(ExitCode::SUCCESS);
        }
        watch.wait(SAFETY);
    }
}

/// A line of a log for a terminal: stages stand out, details stand back.
fn line(line: &str) -> String {
    let line = text::safe_block(line);
    match said(&line) {
        Said::RawOutput => paint(Meaning::Quiet, line),
        Said::Passed(_) => paint(Meaning::Good, line),
        Said::SentBack(_) => paint(Meaning::Attention, line),
        _ if line.starts_with("  ") => line,
        _ => paint(Meaning::Heading, line),
    }
}
