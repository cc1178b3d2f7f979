//! `teof export`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Exit, Result, json as layout, text};
use crate::cli::App;
use crate::coordinator::state::store;
use crate::ops::record::export::{self, Line};

/// Print everything in the record as JSON lines
///
/// Each line is {kind, path, record}: tasks, plans, claims, assignments, events, messages, receipts, seats, runs,
/// reviews, decisions, requests, every other document and the coordinator's jobs. Of a file that is no text, or larger
/// than 16 MiB, the kind is "file" and the record its size and SHA-256. For other programs, and to move to another
/// tool; nothing reads it back.
///
/// Exit code 1: something could not be read and is left out; stderr names it.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof export > teof.jsonl\n\
\x20 teof export --kind task --kind plan\n\
\x20 teof schema export             # what a line has")]
pub struct Args {
    /// Only records of this kind, such as task; repeatable
    #[arg(long = "kind", value_name = "KIND", value_parser = KINDS)]
    kinds: Vec<String>,
}

const KINDS: [&str; 15] = [
    "task",
    "plan",
    "claim",
    "assignment",
    "event",
    "message",
    "receipt",
    "seat",
    "run",
    "review",
    "decision",
    "job",
    "request",
    "document",
    "file",
];

pub fn run(args: &Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    let mut show = |line: Line| {
        if args.kinds.is_empty() || args.kinds.contains(&line.kind) {
            app.out(layout::printable(layout::compact(&line)));
        }
        Ok(())
    };
    let left_out = export::export(hub, &mut show)?;
    for job in &store::load(hub)?.jobs {
        show(Line { kind: "job".to_owned(), path: None, path_hex: None, record: json!(job) })?;
    }
    for (path, why) in &left_out {
        app.warn(format!("not exported: {}: {}", text::safe(path), text::safe(why)));
    }
    if left_out.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    app.warn(format!("the export is not whole: {} left out", text::counted(left_out.len(), "file")));
    Ok(ExitCode::from(Exit::Refused as u8))
}
