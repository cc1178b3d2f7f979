//! `teof coordinator metrics`

use std::process::ExitCode;

use serde::Serialize;

use crate::base::Result;
use crate::cli::App;
use crate::coordinator::metrics::{Metrics, Recent, prometheus};
use crate::coordinator::process;
use crate::coordinator::state::{Spent, Totals, store};

/// Print metrics for Prometheus
///
/// Prints the text format of Prometheus, for the textfile collector of node_exporter or a scrape through a small
/// server. Counters run since the coordinator's first start in this repository; durations and rates are of the last
/// 14 days. Names and labels stay the same.
///
/// With --json: {running, totals, spent, recent}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator metrics\n\
\x20 teof coordinator metrics --json")]
pub struct Args {}

/// The metrics, as `--json` prints them.
#[derive(Serialize, schemars::JsonSchema)]
pub struct Document {
    /// A coordinator runs.
    running: bool,
    /// Since the coordinator's first start.
    totals: Totals,
    spent: Spent,
    /// Of the last 14 days.
    recent: Metrics,
}

pub fn run(_: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let state = store::load(hub)?;
    let settings = &hub.settings()?.coordinator;
    let running = process::holder(hub)?.is_some();
    let recent = Recent::default().read(hub);
    let text = prometheus::text(&state, &recent, running, settings.concurrency, settings.queue);
    let document = Document { running, totals: state.totals, spent: state.spent, recent };
    app.result(&document, || text.trim_end().to_owned());
    Ok(ExitCode::SUCCESS)
}
