//! `teof receipts index`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::output;
use crate::guard::operator;
use crate::hub::output::Output;
use crate::ops::evidence::index::{self, Counts, Index, Receipt};

/// Where the files of the index and of the metrics may be written in the record.
pub(super) const HOME: &str = "_report/usage/receipts-";

/// List all receipts: which exist, which git has, and who names each
///
/// Use it before you hand work off. It covers the files under _report/, and whatever plans, steps, events and messages
/// name as evidence. A second index hashes only what changed.
///
/// With --json: {summary: {generated_at, counts}, plans, receipts: [{path, category, exists, tracked, in_ledger,
/// retired, size, mtime, sha256, referenced_by}], manager_messages}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof receipts index\n\
\x20 teof receipts index --output receipts-index.jsonl   # under _report/usage/")]
pub struct Args {
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Write JSON lines to this file instead; a bare name goes to _report/usage/
    #[arg(long, value_name = "PATH")]
    output: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum Format {
    /// What is missing, untracked or unreferenced
    Text,
    /// One JSON object per line
    Jsonl,
}

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    if args.output.is_some() {
        operator::run::refuse("write the files of the receipts")?;
    }
    let hub = app.hub_to_read()?;
    let progress = app.progress("Hashing the receipts");
    let index = index::read(hub)?;
    drop(progress);
    if let Some(given) = &args.output {
        let path = output::write(hub, &place(), given, index.to_jsonl())?;
        app.result(&json!({"path": path, "summary": index.summary}), || format!("Wrote {path}"));
    } else if args.format == Format::Jsonl && !app.json() {
        app.out(index.to_jsonl().trim_end());
    } else {
        let Index { summary, plans, receipts, messages } = &index;
        let document = json!({"summary": summary, "plans": plans, "receipts": receipts, "manager_messages": messages});
        app.long_result(&document, || problems(&index));
    }
    app.say(counts(index.summary.counts));
    Ok(ExitCode::SUCCESS)
}

/// The file that `--output` of this command may name.
pub(super) fn place() -> Output<'static> {
    Output {
        flag: "--output",
        homes: &[HOME],
        force: None,
        is_own: |bytes| bytes.starts_with(b"{\"kind\":\"summary\""),
    }
}

fn problems(index: &Index) -> String {
    let mut lines = Vec::new();
    for receipt in &index.receipts {
        let Some(what) = problem(receipt) else { continue };
        let more = receipt.referenced_by.len().saturating_sub(1);
        let by = receipt.referenced_by.first().map(|first| match more {
            0 => format!(" ({})", first.describe()),
            more => format!(" ({} and {more} more)", first.describe()),
        });
        lines.push(text::safe(&format!("{what:<13}{}{}", receipt.path, by.unwrap_or_default())));
    }
    lines.join("\n")
}

fn problem(receipt: &Receipt) -> Option<&'static str> {
    match receipt {
        it if it.is_missing() => Some("missing"),
        it if it.is_untracked() => Some("untracked"),
        it if it.is_unreferenced() => Some("unreferenced"),
        _ => None,
    }
}

fn counts(counts: Counts) -> String {
    let Counts { missing, untracked, unreferenced, .. } = counts;
    format!(
        "{}, {}: {missing} missing, {untracked} untracked, {unreferenced} unreferenced",
        text::counted(counts.receipts, "receipt"),
        text::counted(counts.plans, "plan"),
    )
}
