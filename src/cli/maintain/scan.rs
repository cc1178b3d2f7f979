//! `teof scan`

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::findings;
use crate::guard::sentinels::{self, watch};
use crate::guard::{Finding, operator};
use crate::hub::{Hub, Transaction};
use crate::receipts::seen::Seen;

/// Look for signs of trouble in the record
///
/// Finds stale claims, missing or altered receipts, invalid plans, broken chains, promises without a follow-up,
/// and secrets in receipts. Exit code 1 when a finding is high. The coordinator runs it too.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof scan\n\
\x20 teof scan --if-changed")]
pub struct Args {
    /// Scan only when a watched path changed; otherwise show the last result
    #[arg(long)]
    if_changed: bool,
    /// Path prefix to watch; repeatable [default: _plans/ _report/]
    #[arg(long, value_name = "PREFIX")]
    watch: Vec<String>,
    /// Add a line to _report/usage/scan-history.jsonl
    #[arg(long)]
    history: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let _progress = app.progress("Scanning the record");
    let prefixes = match args.watch.is_empty() {
        true => watch::PREFIXES.map(str::to_owned).to_vec(),
        false => args.watch,
    };
    if args.if_changed
        && let Some(last) = watch::unchanged(hub, &prefixes)
    {
        app.say(format!("nothing changed under {} since the scan of {}", prefixes.join(", "), app.times().at(last.at)));
        return Ok(print(hub, &last.findings, false, app));
    }
    let findings = match operator::run::inside() {
        None => sentinels::scan_and_remember(hub, &prefixes, &mut Seen::default())?,
        // The coordinator acts on what is saved.
        Some(_) => sentinels::scan(hub)?,
    };
    if args.history {
        operator::run::refuse("add to the history of scans")?;
        record(hub, &findings)?;
    }
    Ok(print(hub, &findings, true, app))
}

fn record(hub: &Hub, findings: &[Finding]) -> Result<()> {
    let mut transaction = Transaction::new("scan");
    transaction.append(watch::HISTORY, &watch::history_line(hub.now(), findings));
    hub.lock("scan")?.commit(transaction)
}

/// What `teof scan --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    /// Whether it looked; with `--if-changed` the last findings may be shown instead.
    ran: bool,
    high: u64,
    medium: u64,
    low: u64,
    findings: &'a [Finding],
}

/// The document, or a line each.
fn print(hub: &Hub, found: &[Finding], ran: bool, app: &App) -> ExitCode {
    let counts = sentinels::counts(found);
    let [(_, high), (_, medium), (_, low)] = counts;
    let document = Document { ran, high, medium, low, findings: found };
    let line = |found: &Finding| findings::with_severity(found, &findings::of_record(hub, found));
    app.result(&document, || found.iter().map(line).collect::<Vec<_>>().join("\n"));
    app.say(format!("scan: {high} high, {medium} medium, {low} low"));
    ExitCode::from(u8::from(high > 0))
}
