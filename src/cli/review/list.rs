//! `teof review list`

use std::borrow::Cow;
use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::{Result, Stamp, text};
use crate::cli::App;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::coordinator::executor::reviews::is_waiting;
use crate::coordinator::state::store;
use crate::hub::Hub;
use crate::model::run::bundle::Diff;
use crate::model::run::outcome::Finding;
use crate::review::{Decision, Entry, bundles, pull_request};

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
    let mut entries = bundles::all(hub)?;
    entries.retain(|entry| is_waiting(hub, &state, entry));
    Ok(entries)
}

/// A result, as `teof review list --json` prints it.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Row<'a> {
    job: &'a str,
    short: Cow<'a, str>,
    run: &'a str,
    task_id: &'a str,
    title: &'a str,
    agent_id: &'a str,
    branch: &'a str,
    target_branch: &'a str,
    commit: &'a str,
    diff: Change,
    tests: Tests,
    /// The reviewer's, 0 to 100.
    confidence: Option<u8>,
    /// How many findings need a person.
    need_person: usize,
    age_seconds: u64,
    /// The number of its pull request.
    pr: Option<u64>,
    /// Its job has ended, only the merge is left.
    over: bool,
    /// The bundle's path.
    bundle: &'a str,
    /// Why the bundle is not trusted.
    altered: Option<&'a str>,
    decision: Option<&'a Decision>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Change {
    added: u64,
    removed: u64,
    limit: u64,
    files: usize,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Tests {
    passed: usize,
    failed: usize,
}

fn row<'a>(hub: &Hub, entry: &'a Entry, over: bool, now: Stamp) -> Result<Row<'a>> {
    let bundle = &entry.bundle;
    let passed = bundle.tests.iter().filter(|test| test.passed).count();
    let Diff { added, removed, limit, .. } = bundle.diff;
    Ok(Row {
        job: &bundle.job,
        short: bundle.short(),
        run: &bundle.run,
        task_id: &bundle.task_id,
        title: &bundle.goal.title,
        agent_id: &bundle.agent_id,
        branch: &bundle.branch,
        target_branch: &bundle.target_branch,
        commit: &bundle.commit,
        diff: Change { added, removed, limit, files: bundle.diff.count() },
        tests: Tests { passed, failed: bundle.tests.len() - passed },
        confidence: bundle.confidence,
        need_person: bundle.findings.iter().filter(|finding| finding.needs_person()).count(),
        age_seconds: now.since(bundle.generated_at).as_secs(),
        pr: pull_request::of_job(hub, &bundle.job)?,
        over,
        bundle: &entry.path,
        altered: entry.altered.as_deref(),
        decision: entry.decision.as_ref(),
    })
}

fn table(entries: &[Entry], rows: &[Row<'_>], times: Times) -> Table {
    let mut table = Table::new([
        Column::word("JOB"),
        Column::text("TITLE"),
        Column::word("CHANGE"),
        Column::word("TESTS"),
        Column::text("STATE").or_below(),
        Column::word("FINISHED").optional(),
        Column::word("SEAT").optional(),
        Column::word("TASK").optional(),
    ]);
    for (entry, row) in entries.iter().zip(rows) {
        let bundle = &entry.bundle;
        let (passed, all) = (row.tests.passed, bundle.tests.len());
        let tests = match all {
            0 => Cell::painted(Meaning::Attention, "none"),
            all if all == passed => Cell::painted(Meaning::Good, format!("{passed}/{all}")),
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

fn state(entry: &Entry, row: &Row<'_>) -> Cell {
    if entry.altered.is_some() {
        return Cell::painted(Meaning::Bad, "ALTERED after it was written");
    }
    if let Some(done) = &entry.decision {
        return Cell::painted(Meaning::Quiet, format!("{} by {}", done.decision.as_str(), done.by));
    }
    let mut parts = Vec::new();
    parts.extend((row.need_person > 0).then(|| text::counted(row.need_person, "finding")));
    let is_note = |found: &&Finding| !found.needs_person() && !found.stops();
    let notes = entry.bundle.findings.iter().filter(is_note).count();
    parts.extend((notes > 0).then(|| text::counted(notes, "note")));
    parts.extend(row.pr.map(|number| format!("pull request #{number}")));
    if row.over {
        parts.push("only the merge is left".to_owned());
    }
    match parts.is_empty() {
        true => "waits".into(),
        false => Cell::painted(Meaning::Attention, parts.join(", ")),
    }
}
