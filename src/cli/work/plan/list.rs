//! `teof plan list`

use std::collections::BTreeMap;
use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::shared;
use crate::base::{Refusal, Result, text};
use crate::cli::App;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table};
use crate::coordinator::state::{State, store};
use crate::hub::Hub;
use crate::model::plan::{Plan, Status, Step};
use crate::model::priority::Priority;
use crate::plans::requests::queue::Warning;
use crate::plans::{self, PlanFile};

/// List all plans, the most urgent first
///
/// With --json: {plans: [{plan_id, priority, layer, systemic_scale, impact_score, status, checkpoint, steps:
/// {done, total}, receipts, queue_warnings, path}], damaged: [{path, why}], counts: {status: number}}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan list\n\
\x20 teof plan list --status queued --status blocked")]
pub struct Args {
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Only plans with this status; repeatable
    #[arg(long, value_name = "STATUS", value_parser = super::status::parse)]
    status: Vec<Status>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Table,
    Json,
}

/// What `teof plan list --json` prints.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Document {
    plans: Vec<Row>,
    damaged: Vec<Damaged>,
    counts: BTreeMap<String, usize>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Row {
    plan_id: String,
    /// As it stands in the plan; null when it has none.
    priority: Value,
    layer: Option<String>,
    systemic_scale: Option<u64>,
    impact_score: Option<i64>,
    status: String,
    checkpoint: Option<String>,
    steps: Steps,
    /// How many the plan itself lists.
    receipts: usize,
    queue_warnings: Vec<Warning>,
    path: String,
    /// Why nothing goes on with it although it is in progress.
    #[serde(skip)]
    stopped: Option<&'static str>,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Steps {
    done: usize,
    total: usize,
}

#[derive(Serialize, schemars::JsonSchema)]
struct Damaged {
    path: String,
    why: String,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let state = store::load(hub)?;
    let mut document = Document { plans: Vec::new(), damaged: Vec::new(), counts: BTreeMap::new() };
    for (path, found) in plans::all(hub) {
        match found {
            Ok(file) => document.plans.push(row(hub, &state, &file)),
            Err(e) => document.damaged.push(Damaged { path, why: why(&e) }),
        }
    }
    document
        .plans
        .retain(|row| args.status.is_empty() || args.status.iter().any(|status| status.as_str() == row.status));
    document.plans.sort_by(|a, b| order(a).cmp(&order(b)));
    for row in &document.plans {
        *document.counts.entry(row.status.clone()).or_default() += 1;
    }
    for warning in document.plans.iter().flat_map(|row| &row.queue_warnings) {
        app.say(format!("queue: {}: {}", text::safe(&warning.plan_id), text::safe(&warning.message)));
    }
    for damaged in &document.damaged {
        app.warn(format!("{}: {}", damaged.path, damaged.why));
    }
    match args.format {
        Format::Json => app.out(crate::base::json::printable(crate::base::json::pretty(&document))),
        Format::Table => app.result(&document, || table(&document)),
    }
    Ok(ExitCode::SUCCESS)
}

/// The playbook's order: priority (none last), impact descending, id.
fn order(row: &Row) -> (u32, i64, &str) {
    let priority = Some(&row.priority).filter(|priority| !priority.is_null());
    let rank = priority.map_or(u32::MAX, |priority| Priority::of(Some(priority)).rank());
    (rank, row.impact_score.unwrap_or(0).saturating_neg(), &row.plan_id)
}

fn row(hub: &Hub, state: &State, file: &PlanFile) -> Row {
    let plan = &file.plan;
    let steps = plan.steps();
    let done = steps.iter().filter(|step| step.status() == Some(Status::Done)).count();
    let is_stuck =
        done < steps.len() && steps.iter().all(|step| matches!(step.status(), Some(Status::Done | Status::Blocked)));
    Row {
        plan_id: file.id().to_owned(),
        priority: plan.raw.get("priority").cloned().unwrap_or_default(),
        layer: plan.layer().map(str::to_owned),
        systemic_scale: plan.systemic_scale(),
        impact_score: plan.impact_score(),
        status: shown_status(plan),
        checkpoint: plan.checkpoint().status().map(str::to_owned),
        steps: Steps { done, total: steps.len() },
        receipts: plan.receipts().len(),
        queue_warnings: shared::queue_warnings(hub, &file.path, plan),
        path: file.path.clone(),
        stopped: state.plan_stopped(file.id()).or(is_stuck.then_some("blocked")),
    }
}

/// The status, or whatever stands there instead.
fn shown_status(plan: &Plan) -> String {
    match plan.status() {
        Some(status) => status.to_string(),
        None => plan.raw.get("status").map(|odd| text::clip(&odd.to_string(), 40)).unwrap_or_default(),
    }
}

fn table(document: &Document) -> String {
    let mut table = Table::new([
        // `plan show` takes it whole.
        Column::word("PLAN"),
        Column::word("STATUS"),
        Column::number("STEPS"),
        Column::word("CHECKPOINT").optional(),
        Column::word("PRIORITY").optional(),
        Column::number("IMPACT").optional(),
        Column::word("LAYER").optional(),
        Column::number("SCALE").optional(),
        Column::number("RECEIPTS").optional(),
    ]);
    let number = |number: Option<i64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    for row in &document.plans {
        let priority = match &row.priority {
            Value::Null => "-".to_owned(),
            written => Priority::of(Some(written)).word().to_owned(),
        };
        table.row([
            (&row.plan_id).into(),
            match row.stopped.filter(|_| row.status == Status::InProgress.as_str()) {
                Some("blocked") => Cell::painted(Meaning::Bad, "blocked step"),
                Some(other) => Cell::painted(Meaning::Quiet, other),
                None => status_cell(&row.status),
            },
            format!("{}/{}", row.steps.done, row.steps.total).into(),
            text::clip(row.checkpoint.as_deref().unwrap_or("-"), 10).into(),
            text::clip(&priority, 10).into(),
            number(row.impact_score).into(),
            text::clip(row.layer.as_deref().unwrap_or("-"), 5).into(),
            number(row.systemic_scale.map(|scale| scale as i64)).into(),
            row.receipts.to_string().into(),
        ]);
    }
    let counts: Vec<_> = document.counts.iter().map(|(status, n)| format!("{n} {}", text::safe(status))).collect();
    match counts.is_empty() {
        true => "No plans.".to_owned(),
        false => format!("{}\n{}", table.show(), counts.join(", ")),
    }
}

fn status_cell(status: &str) -> Cell {
    let meaning = match Status::parse(status) {
        Some(Status::Done) => Meaning::Good,
        Some(Status::Blocked) => Meaning::Bad,
        Some(Status::InProgress) => Meaning::Active,
        _ => return text::clip(status, 11).into(),
    };
    Cell::painted(meaning, status)
}

fn why(error: &anyhow::Error) -> String {
    let reason = Refusal::of(error).and_then(|refusal| refusal.reason.clone());
    reason.unwrap_or_else(|| format!("{error:#}"))
}

/// One line for a step: `S1 [done] title`.
pub(super) fn step_line(step: &Step<'_>) -> String {
    let status = step.status().map_or("?", Status::as_str);
    let title = text::clip(&text::safe(step.title().unwrap_or("(no title)")), 100);
    format!("{} [{status}] {title}", text::safe(step.id().unwrap_or("?")))
}
