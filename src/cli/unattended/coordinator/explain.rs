//! `teof coordinator explain`

use std::process::ExitCode;

use serde_json::Value;

use super::last_output;
use crate::base::{Refusal, Result, names, text};
use crate::cli::App;
use crate::cli::support::terminal::Times;
use crate::coordinator::executor::publish;
use crate::coordinator::state::{Job, State, store};
use crate::hub::Hub;
use crate::model::run::job_name::{is_called, short};
use crate::ops::tasks;
use crate::plans;

/// Show which tasks were chosen or skipped, and why
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator explain\n\
\x20 teof coordinator explain QUEUE-004")]
pub struct Args {
    /// Only decisions about this task or job
    task: Option<String>,
    /// Show the last N decisions
    #[arg(long, default_value_t = 5)]
    limit: usize,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let manager = &hub.settings()?.coordinator.manager;
    let state = store::load(hub)?;
    let job = args.task.as_deref().and_then(|name| state.find(name).ok());
    // Decisions name the task and the long id.
    let is_own = |name: &str, job: &&Job| job.names().is_own(name);
    let about = match (args.task.as_deref(), job) {
        (Some(name), Some(job)) if is_own(name, &job) => Some(job.id.as_str()),
        (name, _) => name,
    };
    let found = publish::explain(hub, manager, about, args.limit.max(1))?;
    if let (Some(name), None, true) = (args.task.as_deref(), job, found.is_empty()) {
        is_known(hub, &state, name)?;
    }
    app.result(&found, || match found.is_empty() {
        true if job.is_none() => {
            let about = args.task.as_deref().map(|task| format!(" about {}", text::safe(task))).unwrap_or_default();
            format!("no decision{about} yet; preview the next one: teof run --dry-run")
        }
        _ => {
            let decisions = found.iter().map(|decision| render(decision, about, app.times()));
            let conflicts = state.conflicts();
            let own =
                conflicts.iter().filter(|found| found.jobs.iter().any(|one| job.is_some_and(|job| job.id == one.id)));
            let own = own.map(|found| format!("{}\n  {}", found.describe(), found.command()));
            let output = job.into_iter().flat_map(|job| last_output::describe(hub, &state, job));
            let blocks: Vec<_> = decisions.chain(own).chain(output).collect();
            text::safe_block(&blocks.join("\n"))
        }
    });
    Ok(ExitCode::SUCCESS)
}

/// Refuses a name that is of no task, plan or job, with what was probably meant.
fn is_known(hub: &Hub, state: &State, name: &str) -> Result<()> {
    let tasks = tasks::table(hub).map(|table| table.tasks).unwrap_or_default();
    let is_of = |row: &tasks::Row| is_called(name, &row.task_id, row.plan_id.as_deref(), row.step_id.as_deref());
    if tasks.iter().any(is_of) || plans::find(hub, name).is_ok() {
        return Ok(());
    }
    let jobs: Vec<String> = state.jobs.iter().map(Job::short).collect();
    let known = jobs.iter().map(String::as_str).chain(tasks.iter().map(|row| row.task_id.as_str()));
    let name = text::clip(&text::safe(name), 60);
    Err(Refusal::not_found(
        "task.not_found",
        format!("no such task or job: {name}{}", names::did_you_mean(&name, known)),
    )
    .next("see all tasks: teof task list --all")
    .next("see the jobs: teof status")
    .into())
}

/// One decision, and what was passed over (of which only `task` when one is asked for).
fn render(decision: &Value, task: Option<&str>, times: Times) -> String {
    let get = |key: &str| decision.get(key).and_then(Value::as_str).unwrap_or_default();
    let at = times.at_written(get("ts"));
    let mut lines = vec![match get("task") {
        "" => format!("{at} {}: {}", get("decision"), get("why")),
        chosen => {
            let seat = Some(get("seat")).filter(|seat| !seat.is_empty()).map(|seat| format!("for {seat}"));
            let parts = [get("decision"), &short(get("job")), chosen, &seat.unwrap_or_default()];
            let parts: Vec<_> = parts.into_iter().filter(|part| !part.is_empty()).collect();
            format!("{at} {}: {}", parts.join(" "), get("why"))
        }
    }];
    for skipped in decision.get("skipped").and_then(Value::as_array).into_iter().flatten() {
        let get = |key: &str| skipped.get(key).and_then(Value::as_str).unwrap_or_default();
        if task.is_none_or(|task| task == get("task")) {
            lines.push(format!("  not {}: {}", get("task"), get("why")));
        }
    }
    if let Some(more) = decision.get("more").and_then(Value::as_u64) {
        lines.push(format!("  and {more} more"));
    }
    lines.join("\n")
}
