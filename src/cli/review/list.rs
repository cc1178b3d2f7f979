//! `teof review list`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Result, Stamp, text, time::show_span};
use crate::cli::App;
use crate::coordinator::state::store;
use crate::coordinator::state::{Ending, Phase};
use crate::hub::Hub;
use crate::review::{Entry, bundles, pull_request};

/// List finished jobs that wait for review
///
/// With --json: a list of {job, short, run, task_id, title, agent_id, branch, target_branch, commit, diff: {added,
/// removed, limit, files}, tests: {passed, failed}, confidence, need_person, age_seconds, pr, over, bundle,
/// altered, decision}; `over`: its job has ended, only the merge is left.
#[derive(Debug, Default, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review list\n\
\x20 teof review list --all   # decided ones too")]
pub struct Args {
    /// Also show decided jobs
    #[arg(long)]
    all: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let entries = if args.all { bundles::all(hub)? } else { pending(hub)? };
    let state = store::load(hub)?;
    let over = |job: &str| state.job(job).is_some_and(|job| job.is_over());
    let rows = entries.iter().map(|entry| row(hub, entry, over(&entry.bundle.job), app.now()));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    app.result(&rows, || match entries.is_empty() {
        true => "nothing waits for a person".to_owned(),
        false => entries.iter().zip(&rows).map(|(entry, row)| render(entry, row)).collect::<Vec<_>>().join("\n"),
    });
    Ok(ExitCode::SUCCESS)
}

/// The results that wait for a decision, oldest first.
pub fn pending(hub: &Hub) -> Result<Vec<Entry>> {
    let state = store::load(hub)?;
    // Nobody waits for a decision about a job that was cancelled or blocked, though it may still be given.
    let given_up = |job: &str| {
        let over = state.job(job).map(|job| &job.phase);
        matches!(over, Some(Phase::Over { ending, .. }) if *ending != Ending::Done)
    };
    let mut entries = bundles::all(hub)?;
    entries.retain(|entry| entry.is_pending() && !given_up(&entry.bundle.job));
    Ok(entries)
}

fn row(hub: &Hub, entry: &Entry, over: bool, now: Stamp) -> Result<Value> {
    let bundle = &entry.bundle;
    let passed = bundle.tests.iter().filter(|test| test.passed).count();
    Ok(json!({
        "job": bundle.job,
        "short": bundle.short(),
        "run": bundle.run,
        "task_id": bundle.task_id,
        "title": bundle.goal.title,
        "agent_id": bundle.agent_id,
        "branch": bundle.branch,
        "target_branch": bundle.target_branch,
        "commit": bundle.commit,
        "diff": {
            "added": bundle.diff.added,
            "removed": bundle.diff.removed,
            "limit": bundle.diff.limit,
            "files": bundle.diff.count(),
        },
        "tests": {"passed": passed, "failed": bundle.tests.len() - passed},
        "confidence": bundle.confidence,
        "need_person": bundle.findings.iter().filter(|finding| finding.needs_person()).count(),
        "age_seconds": now.since(bundle.generated_at).as_secs(),
        "pr": pull_request::of_job(hub, &bundle.job)?,
        "over": over,
        "bundle": entry.path,
        "altered": entry.altered,
        "decision": entry.decision,
    }))
}

fn render(entry: &Entry, row: &Value) -> String {
    let bundle = &entry.bundle;
    let age = show_span(std::time::Duration::from_secs(row["age_seconds"].as_u64().unwrap_or_default()));
    let mut parts = vec![
        format!("+{} -{} in {}", bundle.diff.added, bundle.diff.removed, text::counted(bundle.diff.count(), "file")),
        format!("tests {}/{}", row["tests"]["passed"], bundle.tests.len()),
    ];
    parts.extend(bundle.confidence.map(|confidence| format!("confidence {confidence}")));
    parts.extend(row["need_person"].as_u64().filter(|n| *n > 0).map(|n| match n {
        1 => "1 finding needs a person".to_owned(),
        n => format!("{n} findings need a person"),
    }));
    parts.extend(row["pr"].as_u64().map(|number| format!("pull request {number}")));
    parts.extend(entry.altered.as_ref().map(|_| "ALTERED after it was written".to_owned()));
    match &entry.decision {
        Some(done) => parts.push(format!("{} by {}", done.decision.as_str(), text::safe(&done.by))),
        None if row["over"] == true => parts.push(format!("its step is done; not merged for {age}")),
        None => parts.push(format!("waits for {age}")),
    }
    format!(
        "{}  {}  {}\n  by {}: {}",
        text::safe(&bundle.short()),
        text::safe(&bundle.task_id),
        text::clip(&text::safe(&bundle.goal.title), 80),
        text::safe(&bundle.agent_id),
        parts.join(", ")
    )
}
