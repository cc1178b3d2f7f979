//! `teof review reject`

use std::process::ExitCode;

use serde_json::json;

use super::bulk::{self, Done, Words};
use super::notify::notify_coordinator;
use super::shared;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::cli::unattended::coordinator::send;
use crate::coordinator::state::{Ending, Job, Phase, store};
use crate::guard::operator;
use crate::review::bundles;

/// Reject one or more jobs: the step is blocked, the branch is kept
///
/// Also dismisses a blocked job that has no result to decide about: it no longer counts as blocked.
///
/// One job that is refused does not stop the others; the exit code is the highest of theirs.
///
/// With --json: {short, decision (null for a blocked job), coordinator: {ok, text} or null}; for several jobs a list of
/// these, each with name and ok, or with name, ok and error.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review reject j1 --note \"Not wanted any more\"")]
pub struct Args {
    /// Jobs: j1, or a run or a task
    #[arg(required = true, value_name = "JOB")]
    jobs: Vec<String>,
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
        Args { jobs: vec![job.to_owned()], note, by: None }
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match bulk::distinct(args.jobs.clone()).as_slice() {
        [job] => Ok(bulk::single(app, one(&args, app, job)?)),
        jobs => {
            let words = Words { doing: "Rejecting", done: "Rejected" };
            Ok(bulk::several(app, jobs, &words, |job| one(&args, app, job)))
        }
    }
}

/// Rejects a job and returns what happened, for screens.
///
/// # Errors
/// As the command.
pub fn decide(app: &App, job: &str, note: String) -> Result<Vec<String>> {
    operator::require("decide about work")?;
    Ok(one(&Args::of(job, note), app, job)?.all_lines())
}

fn one(args: &Args, app: &App, job: &str) -> Result<Done> {
    let hub = app.hub()?;
    let state = store::load(hub)?;
    let blocked = state.find(job).ok().filter(|job| is_blocked(job));
    let found = bundles::find(hub, job).is_ok_and(|entry| entry.is_pending());
    if let Some(job) = blocked.filter(|_| !found) {
        return dismiss(args, app, job);
    }
    let entry = shared::entry(hub, job)?;
    let input = shared::input(app, args.by.clone(), Some(args.note.clone()))?;
    let decision = shared::when_free(app, || crate::review::reject(hub, &entry, &input))?;
    let coordinator = notify_coordinator(app, &decision)?;
    let (name, branch) = (shared::name(&entry), text::safe(&entry.bundle.branch));
    Ok(Done {
        document: json!({"short": decision.short(), "decision": decision, "coordinator": coordinator}),
        lines: vec![format!("{name} is rejected; its work stays on {branch}")],
        hint: None,
    })
}

fn is_blocked(job: &Job) -> bool {
    job.decision.is_none() && matches!(job.phase, Phase::Over { ending: Ending::Blocked, .. })
}

/// Rejects blocked work that has no open result: an event and the coordinator's decision log record it.
fn dismiss(args: &Args, app: &App, job: &Job) -> Result<Done> {
    let input = shared::input(app, args.by.clone(), Some(args.note.clone()))?;
    if input.note.is_none() {
        return Err(Refusal::usage("review.no_note", "a rejection needs a note with the reason")
            .next("--note \"…\"")
            .into());
    }
    let answer = send::have_rejected(app, job, &input)?;
    if let Some(answer) = answer.as_ref().filter(|answer| !answer.ok) {
        return Err(send::refused(&answer.text).into());
    }
    let short = job.short();
    Ok(Done {
        document: json!({"short": short, "decision": null, "coordinator": answer}),
        lines: vec![match answer {
            Some(_) => text::safe(&format!("{short} {} is rejected", text::clip(&job.title, 60))),
            None => format!("{short} will be rejected: the coordinator is busy"),
        }],
        hint: Some(format!("to do it after all: teof review retry {short}")),
    })
}
