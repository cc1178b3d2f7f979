//! `teof bus directive`

use std::process::ExitCode;

use serde_json::json;

use super::write::{self, Details};
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::model::message::MANAGER_REPORT;
use crate::ops::publish::Entry;

/// Post a directive in its own channel and point managers to it
///
/// Use it to give an instruction that several seats must follow. Both messages are written, or neither.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus directive --task RELEASE-1 --summary \"Merge nothing until Friday\"")]
pub struct Args {
    /// The channel of the directive
    #[arg(long, value_name = "CHANNEL")]
    task: String,
    /// The instruction, in one sentence
    #[arg(long)]
    summary: String,
    /// Message type of the directive
    #[arg(long = "type", value_name = "TYPE", default_value = "directive", help_heading = MORE)]
    kind: String,
    /// More details
    #[arg(long)]
    note: Option<String>,
    /// The branch it concerns
    #[arg(long, help_heading = MORE)]
    branch: Option<String>,
    /// The plan it concerns
    #[arg(long, help_heading = MORE)]
    plan: Option<String>,
    /// A file with evidence, relative to the repository; repeatable
    #[arg(long = "receipt", value_name = "PATH", help_heading = MORE)]
    receipts: Vec<String>,
    /// More data; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = MORE)]
    meta: Vec<String>,
    /// Channel of the pointer
    #[arg(long, value_name = "CHANNEL", default_value = MANAGER_REPORT, help_heading = MORE)]
    pointer_task: String,
    /// Message type of the pointer
    #[arg(long, value_name = "TYPE", default_value = "status", help_heading = MORE)]
    pointer_type: String,
    /// Text of the pointer [default: Directive <task> posted]
    #[arg(long, help_heading = MORE)]
    pointer_summary: Option<String>,
    /// Note of the pointer [default: See <task>]
    #[arg(long, help_heading = MORE)]
    pointer_note: Option<String>,
    /// Plan of the pointer [default: the directive's]
    #[arg(long, help_heading = MORE)]
    pointer_plan: Option<String>,
    /// A file with evidence for the pointer; repeatable
    #[arg(long = "pointer-receipt", value_name = "PATH", help_heading = MORE)]
    pointer_receipts: Vec<String>,
    /// More data for the pointer; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = MORE)]
    pointer_meta: Vec<String>,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let author = args.author.author(app.hub()?, Some(&args.task))?;
    let details = Details {
        plan: args.plan.clone(),
        meta: write::pairs("--meta", &args.meta)?,
        branch: args.branch,
        receipts: args.receipts,
        note: args.note,
    };
    let directive = details.message(&author.agent, &args.kind, &args.task, args.summary);

    let summary = args.pointer_summary.unwrap_or_else(|| format!("Directive {} posted", args.task));
    let details = Details {
        plan: args.pointer_plan.or(args.plan),
        meta: write::pairs("--pointer-meta", &args.pointer_meta)?,
        branch: None,
        receipts: args.pointer_receipts,
        note: Some(args.pointer_note.unwrap_or_else(|| format!("See {}", args.task))),
    };
    let mut pointer = details.message(&author.agent, &args.pointer_type, &args.pointer_task, summary);
    // The key by which checks find the pair (the playbook: directive_pointer).
    pointer.meta.entry("directive").or_insert_with(|| json!(args.task));

    let entries =
        [Entry::message(&args.task, directive, author.epoch), Entry::message(&args.pointer_task, pointer, None)];
    write::write(app, "bus directive", &author, &entries, &args.repeat)?;
    Ok(ExitCode::SUCCESS)
}
