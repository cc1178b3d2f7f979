//! `teof consensus sweep`, `weekly` and `escalate`: what is done daily, weekly, and when a decision waits too long.

use serde_json::Value;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::cli::work::bus::claims::report;
use crate::guard::operator;
use crate::ops::consensus::escalate::{self, Request};
use crate::ops::consensus::review;

/// Check the decisions of the last day, and keep what was seen
///
/// The daily sweep: the last five rows of the ledger and the decisions of the last 24 hours go to a receipt under
/// _report/agent/<seat>/consensus/. It names the decisions that are due.
///
/// With --json: {decisions, due: [id], touched: [id], receipt}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus sweep\n\
\x20 teof consensus sweep --touch QUEUE-030   # also log a status for that decision")]
pub struct Sweep {
    /// Log a status, with a record, for this decision; repeatable
    #[arg(long, value_name = "ID")]
    touch: Vec<String>,
    #[command(flatten)]
    author: Flags,
}

/// Review the decisions of the last week, and tell the managers
///
/// Writes a summary to _report/manager/, a record of the decision WEEKLY-<year>-W<week>, and a message to
/// manager-report. It is refused while a decision is due and not escalated.
///
/// With --json: {decision_id, summary, record, open, settled}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus weekly")]
pub struct Weekly {
    #[command(flatten)]
    author: Flags,
}

/// Send the managers a request for each decision that is due
///
/// A decision is due when it is open and has no receipt after 24 hours, or no update for 24 hours. A request that
/// stands is not sent again.
///
/// With --json: {escalated: [{decision_id, why}], standing: [{decision_id, escalated_at}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus escalate --dry-run\n\
\x20 teof consensus escalate --assign codex-2")]
pub struct Escalate {
    /// Only these decisions [default: all that are due]
    #[arg(value_name = "DECISION")]
    decisions: Vec<String>,
    /// The seat that follows up; it finds the request in its inbox
    #[arg(long, value_name = "SEAT")]
    assign: Option<String>,
    /// Show what would be sent, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    author: Flags,
}

pub fn sweep(mut args: Sweep, app: &App) -> Result<()> {
    operator::run::refuse("sweep the decisions")?;
    let hub = app.hub()?;
    args.touch.sort();
    args.touch.dedup();
    let answer = review::sweep(hub, &args.author.author(hub, None)?, &args.touch)?;
    report::show(app, &answer, |document| {
        let count = |key: &str| document[key].as_array().map_or(0, Vec::len);
        let seen = text::counted(count("decisions"), "decision");
        format!("Swept {seen}, {} due: {}", count("due"), document["receipt"].as_str().unwrap_or_default())
    });
    Ok(())
}

pub fn weekly(args: &Weekly, app: &App) -> Result<()> {
    operator::run::refuse("review the week")?;
    let hub = app.hub()?;
    let answer = review::weekly(hub, &args.author.author(hub, None)?)?;
    report::show(app, &answer, |document| {
        let part = |key: &str| document[key].as_str().unwrap_or_default();
        let (open, settled) = (&document["open"], &document["settled"]);
        format!("Reviewed {}: {open} open, {settled} settled: {}", part("decision_id"), part("summary"))
    });
    Ok(())
}

pub fn escalate(args: Escalate, app: &App) -> Result<()> {
    if args.dry_run {
        let hub = app.hub_to_read()?;
        let author = crate::guard::claim::Author::new(operator::OPERATOR);
        let document = escalate::preview(hub, &Request { author, decisions: args.decisions, assign: args.assign })?;
        app.result(&document, || escalated(&document));
        app.say("Nothing was written.");
        return Ok(());
    }
    operator::run::refuse("escalate a decision")?;
    let hub = app.hub()?;
    let author = args.author.author(hub, None)?;
    let answer = escalate::escalate(hub, &Request { author, decisions: args.decisions, assign: args.assign })?;
    app.result(&answer.document, || escalated(&answer.document));
    Ok(())
}

fn escalated(document: &Value) -> String {
    let rows = |key: &str| document[key].as_array().cloned().unwrap_or_default();
    let part = |row: &Value, key: &str| row[key].as_str().unwrap_or_default().to_owned();
    let mut lines: Vec<String> = rows("escalated")
        .iter()
        .map(|row| format!("Escalated {}: {}", part(row, "decision_id"), part(row, "why")))
        .collect();
    lines.extend(
        rows("standing").iter().map(|row| {
            format!("{} was escalated at {} and waits", part(row, "decision_id"), part(row, "escalated_at"))
        }),
    );
    if lines.is_empty() {
        lines.push("No decision is due.".to_owned());
    }
    lines.into_iter().map(|line| text::safe(&line)).collect::<Vec<_>>().join("\n")
}
