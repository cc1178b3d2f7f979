//! `teof review list`

use std::process::ExitCode;

use serde_json::{Value, json};

use crate::base::{Result, Stamp, text};
use crate::cli::App;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
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
    print(hub, &entries, app)
}

/// Prints results, decided or not.
pub fn print(hub: &Hub, entries: &[Entry], app: &App) -> Result<ExitCode> {
    let state = store::load(hub)?;
    let over = |job: &str| state.job(job).is_some_and(|job| job.is_over());
    let rows = entries.iter().map(|entry| row(hub, entry, over(&entry.bundle.job), app.now()));
    let rows = rows.collect::<Result<Vec<_>>>()?;
    app.result(&rows, || match entries.is_empty() {
        true => "Nothing waits for review.".to_owned(),
        false => table(entries, &rows, app.times()).show(),
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

fn table(entries: &[Entry], rows: &[Value], times: Times) -> Table {
    let mut table = Table::new([
        Column::word("JOB"),
        Column::text("TITLE"),
        Column::word("CHANGE"),
        Column::word("TESTS"),
        Column::text("STATE"),
        Column::word("FINISHED").optional(),
        Column::word("SEAT").optional(),
        Column::text("TASK").optional(),
    ]);
    for (entry, row) in entries.iter().zip(rows) {
        let bundle = &entry.bundle;
        let (passed, all) = (row["tests"]["passed"].as_u64().unwrap_or_default(), bundle.tests.len());
        let tests = match all {
            0 => Cell::painted(Meaning::Attention, "none"),
            all if all as u64 == passed => Cell::painted(Meaning::Good, format!("{passed}/{all}")),
            all => Cell::painted(Meaning::Bad, format!("{passed}/{all}")),
        };
        table.row([
            bundle.short().into(),
            (&bundle.goal.title).into(),
            format!("+{} -{}", bundle.diff.added, bundle.diff.removed).into(),
            tests,
            state(entry, row),
            times.ago(bundle.generated_at).into(),
            (&bundle.agent_id).into(),
            (&bundle.task_id).into(),
        ]);
    }
    table
}

fn state(entry: &Entry, row: &Value) -> Cell {
    if entry.altered.is_some() {
        return Cell::painted(Meaning::Bad, "ALTERED after it was written");
    }
    if let Some(done) = &entry.decision {
        return Cell::painted(Meaning::Quiet, format!("{} by {}", done.decision.as_str(), done.by));
    }
    let mut parts = Vec::new();
    parts.extend(row["need_person"].as_u64().filter(|n| *n > 0).map(|n| text::counted(n as usize, "finding")));
    parts.extend(row["pr"].as_u64().map(|number| format!("pull request #{number}")));
    if row["over"] == true {
        parts.push("only the merge is left".to_owned());
    }
    match parts.is_empty() {
        true => "waits".into(),
        false => Cell::painted(Meaning::Attention, parts.join(", ")),
    }
}
