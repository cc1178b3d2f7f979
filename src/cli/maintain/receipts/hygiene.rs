//! `teof receipts hygiene`

use std::process::ExitCode;
use std::time::Duration;

use crate::base::{Exit, Result, json, text};
use crate::cli::App;
use crate::cli::support::author::span;
use crate::guard::operator;
use crate::hub::{Hub, Transaction};
use crate::ops::evidence::hygiene::{self, FILES, FOLDER, Report};
use crate::ops::evidence::index::{self, Index};
use crate::ops::evidence::metrics::{self, Metrics};

/// Find missing, untracked and unreferenced receipts
///
/// Exit code 1 when a receipt is missing, or a plan is slower than --max-plan-latency.
///
/// With --json: {generated_at, missing: [{path, referenced_by}], untracked, unreferenced: [path], metrics:
/// {plans_total, plans_missing_receipts, missing_plan_ids, slow_plans}}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts hygiene\n\
\x20 teof receipts hygiene --keep   # also write what `session brief` reads")]
pub struct Args {
    /// Also write the index, the latencies and this report to _report/usage/
    #[arg(long)]
    keep: bool,
    /// Also fail when a plan took longer to its first receipt, such as 7d
    #[arg(long, value_name = "DURATION", value_parser = span)]
    max_plan_latency: Option<Duration>,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    if args.keep {
        operator::run::refuse("write the files of the receipts")?;
    }
    let hub = app.hub_to_read()?;
    let progress = app.progress("Hashing the receipts");
    let index = index::read(hub)?;
    let metrics = metrics::read(hub, &index)?;
    drop(progress);
    let report = hygiene::report(&index, &metrics);
    if args.keep {
        keep(hub, &index, &metrics, &report)?;
    }
    let slow = args.max_plan_latency.map_or_else(Vec::new, |limit| too_slow(&metrics, limit));
    app.long_result(&report, || render(&report, &slow));
    let Report { missing, untracked, unreferenced, .. } = &report;
    app.say(format!(
        "{} missing, {} untracked, {} unreferenced, {}",
        missing.len(),
        untracked.len(),
        unreferenced.len(),
        text::counted(slow.len(), "slow plan"),
    ));
    Ok(ExitCode::from(if missing.is_empty() && slow.is_empty() { Exit::Done } else { Exit::Refused } as u8))
}

fn keep(hub: &Hub, index: &Index, metrics: &Metrics, report: &Report) -> Result<()> {
    let mut transaction = Transaction::new("receipts hygiene");
    let texts = [index.to_jsonl(), metrics.to_jsonl(), json::pretty(report) + "\n"];
    for (name, text) in FILES.into_iter().zip(texts) {
        transaction.replace(format!("{FOLDER}/{name}"), text);
    }
    hub.lock("receipts hygiene")?.commit(transaction)
}

/// The plans that took longer than the limit, with the seconds.
fn too_slow(metrics: &Metrics, limit: Duration) -> Vec<(String, i64)> {
    let plans = metrics.plans.iter();
    let taken = plans.filter_map(|plan| Some((plan.plan_id.clone(), plan.latency_seconds.plan_to_first_receipt?)));
    taken.filter(|(_, seconds)| u64::try_from(*seconds).is_ok_and(|seconds| seconds > limit.as_secs())).collect()
}

fn render(report: &Report, slow: &[(String, i64)]) -> String {
    let mut lines = Vec::new();
    for (what, problems) in [("missing", &report.missing), ("untracked", &report.untracked)] {
        for problem in problems {
            let by: Vec<_> = problem.referenced_by.iter().take(3).map(|reference| reference.describe()).collect();
            let by = if by.is_empty() { "the ledger".to_owned() } else { by.join(", ") };
            lines.push(format!("{what:<13}{} ({by})", problem.path));
        }
    }
    lines.extend(report.unreferenced.iter().map(|path| format!("{:<13}{path}", "unreferenced")));
    lines.extend(slow.iter().map(|(plan, seconds)| {
        format!("{:<13}{plan} ({} to the first receipt)", "slow", super::metrics::span(Some(*seconds)))
    }));
    lines.into_iter().map(|line| text::safe(&line)).collect::<Vec<_>>().join("\n")
}
