//! `teof consensus record`

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::cli::work::bus::claims::report;
use crate::cli::work::bus::write;
use crate::consensus::records::NewRecord;
use crate::guard::operator;
use crate::ops::consensus::record::record;

/// Record a decision, with its evidence
///
/// Use it when a decision is closed. The record goes to a new file in _report/consensus/. For a decision that is only
/// touched, use `teof bus event --consensus-decision`.
///
/// With --json: {decision_id, path}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus record QUEUE-030 --summary \"Ship the ledger\" --receipt _report/agent/codex-1/tests.json")]
pub struct Args {
    /// The decision: a task, or a name of its own
    decision: String,
    /// What was decided
    #[arg(long, value_name = "TEXT")]
    summary: String,
    /// A file with evidence, relative to the repository; repeatable
    #[arg(long = "receipt", value_name = "PATH")]
    receipts: Vec<String>,
    /// More data; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = MORE)]
    meta: Vec<String>,
    /// The kind of the record: consensus, complete, release and closed settle the decision
    #[arg(long, value_name = "KIND", default_value = "consensus", help_heading = MORE)]
    event: String,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

pub fn run(args: Args, app: &App) -> Result<()> {
    operator::run::refuse("record a decision")?;
    let hub = app.hub()?;
    let author = args.author.author(hub, None)?;
    let new = NewRecord {
        decision_id: args.decision,
        summary: args.summary,
        event: args.event,
        receipts: args.receipts,
        meta: write::pairs("--meta", &args.meta)?,
    };
    let repeat = args.repeat.request("consensus record", &(&author.agent, &new))?;
    let answer = record(hub, &author, &new, repeat.as_ref())?;
    report::show(app, &answer, |document| {
        let part = |key: &str| document[key].as_str().unwrap_or_default();
        format!("Recorded {} in {}", part("decision_id"), part("path"))
    });
    Ok(())
}
