//! `teof review approve`

use std::process::ExitCode;

use serde_json::json;

use super::notify::notify_coordinator;
use super::shared;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::findings;
use crate::cli::support::help::MORE;
use crate::coordinator::state::store;
use crate::guard::operator;
use crate::hub::Hub;
use crate::review::{Approval, Decision, Entry, NewerCommits, ReviewInput, bundles, pull_request};

/// Merge the reviewed commit of a job
///
/// The merge is made and tested apart from any checkout; `bus verify` and the full preflight must find nothing.
/// Then the target branch moves. A checkout of the target keeps its staged and unstaged work, or the merge is
/// refused. A job in conflict goes back to the coder; if the job has ended, you merge by hand (exit code 1
/// either way). Only a person can approve.
///
/// With --json: {decision, before, coordinator: {ok, text} or null}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review approve j1")]
pub struct Args {
    /// A job: j1, its run or its task
    job: String,
    /// A note to keep with the decision
    #[arg(long)]
    note: Option<String>,
    /// Also merge the commits made after the review, up to this one, the newest
    #[arg(long, value_name = "COMMIT", conflicts_with = "without_newer", help_heading = MORE)]
    with_newer: Option<String>,
    /// Merge only the reviewed commit although the branch has newer ones
    #[arg(long, help_heading = MORE)]
    without_newer: bool,
    /// Your name [default: git's user.name]
    #[arg(long, value_name = "NAME", help_heading = MORE)]
    by: Option<String>,
}

impl Args {
    /// To approve a job as it was reviewed.
    pub fn of(job: &str) -> Args {
        Args { job: job.to_owned(), note: None, with_newer: None, without_newer: false, by: None }
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::require("approve work")?;
    let hub = app.hub()?;
    let entry = bundles::find(hub, &args.job)?;
    is_the_result(hub, &entry)?;
    let job_open = store::load(hub)?.job(&entry.bundle.job).is_some_and(|job| !job.is_over());
    let newer = match (args.with_newer, args.without_newer) {
        (Some(commit), _) => NewerCommits::Include(commit),
        (None, true) => NewerCommits::Leave,
        (None, false) => NewerCommits::Ask,
    };
    let input = ReviewInput { job_open, newer, ..shared::input(app, args.by, args.note)? };
    let (decision, before) =
        match crate::review::approve(hub, &entry, &input, &|line| shared::print_progress(app, line))? {
            Approval::Merged(decision) => (decision, false),
            Approval::Before(decision) => (decision, true),
            Approval::Conflict(decision) => {
                notify_coordinator(app, &decision)?;
                return Err(conflict(&decision).into());
            }
        };
    let coordinator = notify_coordinator(app, &decision)?;
    let remote = pull_request::of_job(hub, &decision.job)?;
    app.result(&json!({"decision": decision, "before": before, "coordinator": coordinator}), || {
        render(&decision, before, remote)
    });
    Ok(ExitCode::SUCCESS)
}

/// Whether the coordinator, when it knows the job, knows this as its result: the commit that the worker
/// reported is the one that is merged, whatever a bundle says.
fn is_the_result(hub: &Hub, entry: &Entry) -> Result<()> {
    let state = store::load(hub)?;
    let Some(job) = state.job(&entry.bundle.job) else { return Ok(()) };
    let (run, commit) = (entry.bundle.run.as_str(), entry.bundle.commit.as_str());
    let known = job.last.as_ref().filter(|last| last.run == run);
    // It was sent back, and that came to nothing: the job remembers what it went on from.
    let went_on_from = job.rework.as_ref().is_some_and(|rework| rework.carry == commit);
    let differs = match known.and_then(|last| last.commit.as_deref()) {
        _ if went_on_from && job.is_over() => false,
        Some(known) => known != commit,
        // It may have ended a moment ago; the bundle is written before its last word.
        None => job.run_id() != run,
    };
    if !differs {
        return Ok(());
    }
    let last = job.last.as_ref().map_or_else(|| job.run_id(), |last| last.run.clone());
    let result = job.commit().map_or_else(|| "no commit".to_owned(), |commit| format!("commit {commit}"));
    Err(Refusal::guard("review.not_the_result", format!("{} is not the result of {}", entry.path, job.short()))
        .because(format!("it names commit {commit} of {run}; the coordinator knows {result} of {last}"))
        .next(format!("see what it did: teof coordinator status; teof review show {}", job.short()))
        .into())
}

fn render(decision: &Decision, before: bool, remote: Option<u64>) -> String {
    let commit = decision.merge_commit.as_deref().unwrap_or(&decision.reviewed_commit);
    let target = text::safe(&decision.target_branch);
    let how = match (before, &decision.merge_commit, &decision.target_before) {
        (true, ..) => "was merged already",
        (false, None, Some(_)) => "adds nothing",
        _ => "is merged",
    };
    let mut lines = vec![format!("{} {how} to {target}: {commit}", text::safe(&decision.task_id))];
    if let Some(number) = remote {
        lines.push(format!("by pull request {number}; to have it here: teof session-boot, or git pull"));
    }
    lines.extend(decision.findings.iter().map(|found| format!("{}: {}", found.severity, findings::line(found))));
    lines.push(format!("to take it back: teof review revert {}", text::safe(&decision.short())));
    lines.join("\n")
}

fn conflict(decision: &Decision) -> Refusal {
    let files: Vec<_> = decision.findings.iter().filter_map(|finding| finding.path.clone()).collect();
    let head = decision.target_before.as_deref().unwrap_or_default();
    Refusal::guard("review.conflict", format!("{} is in conflict with {}", decision.short(), decision.target_branch))
        .because(format!("both changed {} (target at {head})", text::clip(&files.join(", "), 600)))
        .next("nothing was merged; it goes back to the coder when the coordinator runs, and comes here again")
        .with("files", files)
}
