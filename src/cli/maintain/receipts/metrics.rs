//! `teof receipts metrics`

use std::process::ExitCode;
use std::time::Duration;

use serde_json::json;

use super::index::{Format, place};
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::output;
use crate::cli::support::terminal::times::duration;
use crate::cli::support::terminal::{Column, Table};
use crate::guard::operator;
use crate::ops::evidence::index;
use crate::ops::evidence::metrics::{self, Metrics, Spread};

/// Show how fast plans and reflections lead to receipts
///
/// For each plan: the time from its creation, from the first note in manager-report, and from a reflection that names
/// it, to its first receipt after that. Plans that are much slower than the others are marked.
///
/// With --json: {summary: {generated_at, plans, plans_with_receipts, plans_missing_receipts, latency_seconds,
/// outliers}, plans: [{plan_id, status, created, receipt_count, missing_receipts, latency_seconds, …}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts metrics\n\
\x20 teof receipts metrics --output receipts-latency.jsonl   # under _report/usage/")]
pub struct Args {
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write JSON lines to this file instead; a bare name goes to _report/usage/
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    if args.output.is_some() {
        operator::run::refuse("write the files of the receipts")?;
    }
    let hub = app.hub_to_read()?;
    let progress = app.progress("Measuring the plans");
    let metrics = metrics::read(hub, &index::read(hub)?)?;
    drop(progress);
    if let Some(given) = &args.output {
        let path = output::write(hub, &place(), given, metrics.to_jsonl())?;
        app.result(&json!({"path": path, "summary": metrics.summary}), || format!("Wrote {path}"));
    } else if args.format == Format::Jsonl && !app.json() {
        app.out(metrics.to_jsonl().trim_end());
    } else {
        app.result(&json!({"summary": metrics.summary, "plans": metrics.plans}), || table(&metrics));
    }
    let of = &metrics.summary.latency_seconds;
    app.say(format!(
        "plan to receipt: {}; reflection to receipt: {}; {}",
        spread(&of.plan_to_first_receipt),
        spread(&of.reflection_to_receipt),
        text::counted(metrics.summary.outliers.len(), "outlier"),
    ));
    Ok(ExitCode::SUCCESS)
}

fn table(metrics: &Metrics) -> String {
    if metrics.plans.is_empty() {
        return "No plans.".to_owned();
    }
    let mut table = Table::new([
        Column::text("PLAN"),
        Column::number("RECEIPTS"),
        Column::number("MISSING"),
        Column::number("PLAN TO FIRST"),
        Column::number("TO LAST").optional(),
        Column::number("REFLECTION TO"),
        Column::word("NOTE"),
    ]);
    for plan in &metrics.plans {
        let latency = plan.latency_seconds;
        let is_outlier = metrics.summary.outliers.iter().any(|outlier| outlier.plan_id == plan.plan_id);
        table.row([
            (&plan.plan_id).into(),
            plan.receipt_count.to_string().into(),
            plan.missing_receipts.len().to_string().into(),
            span(latency.plan_to_first_receipt).into(),
            span(latency.plan_to_last_receipt).into(),
            span(latency.reflection_to_receipt).into(),
            (if is_outlier { "outlier" } else { "" }).into(),
        ]);
    }
    table.show()
}

/// Seconds as `2h`; `-` where there are none.
pub(super) fn span(seconds: Option<i64>) -> String {
    let span = seconds.and_then(|seconds| u64::try_from(seconds).ok()).map(Duration::from_secs);
    span.map_or_else(|| "-".to_owned(), duration)
}

fn spread(spread: &Spread) -> String {
    match spread.median {
        Some(median) => format!("median {} of {}", span(Some(median.round() as i64)), spread.count),
        None => "none".to_owned(),
    }
}
