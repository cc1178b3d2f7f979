//! `teof bus directive`

use std::process::ExitCode;

use serde_json::json;

use super::write::{self, Repeat};
use crate::base::Result;
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::model::message::{MANAGER_REPORT, Message};
use crate::ops::publish::Entry;

/// Post a directive to its own channel, and a pointer to it where managers look: both or neither.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The directive's own channel
    #[arg(long, value_name = "CHANNEL")]
    task: String,
    /// What is directed, in a sentence
    #[arg(long)]
    summary: String,
    /// The type of the directive's message
    #[arg(long = "type", value_name = "TYPE", default_value = "directive")]
    kind: String,
    /// More than fits into a sentence
    #[arg(long)]
    note: Option<String>,
    /// The branch that it is about
    #[arg(long)]
    branch: Option<String>,
    /// The plan that it is about
    #[arg(long)]
    plan: Option<String>,
    /// Evidence, relative to the repository; may be given again
    #[arg(long = "receipt", value_name = "PATH")]
    receipts: Vec<String>,
    /// A further fact; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    meta: Vec<String>,
    /// The channel of the pointer
    #[arg(long, value_name = "CHANNEL", default_value = MANAGER_REPORT)]
    pointer_task: String,
    /// The type of the pointer's message
    #[arg(long, value_name = "TYPE", default_value = "status")]
    pointer_type: String,
    /// What the pointer says [default: Directive <task> posted]
    #[arg(long)]
    pointer_summary: Option<String>,
    /// The pointer's note [default: See <task>]
    #[arg(long)]
    pointer_note: Option<String>,
    /// The pointer's plan [default: that of the directive]
    #[arg(long)]
    pointer_plan: Option<String>,
    /// Evidence for the pointer; may be given again
    #[arg(long = "pointer-receipt", value_name = "PATH")]
    pointer_receipts: Vec<String>,
    /// A further fact for the pointer; may be given again
    #[arg(long, value_name = "KEY=VALUE")]
    pointer_meta: Vec<String>,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let author = args.author.author(app.hub()?, Some(&args.task))?;
    let mut directive = Message::new(&author.agent, &args.kind, &args.task, args.summary);
    directive.meta.extend(args.plan.iter().map(|plan| ("plan_id".to_owned(), json!(plan))));
    directive.meta.extend(write::pairs("--meta", &args.meta)?);
    directive.note = args.note;
    directive.branch = args.branch;
    directive.receipts = args.receipts;

    let summary = args.pointer_summary.unwrap_or_else(|| format!("Directive {} posted", args.task));
    let mut pointer = Message::new(&author.agent, &args.pointer_type, &args.pointer_task, summary);
    let plan = args.pointer_plan.or(args.plan);
    pointer.meta.extend(plan.map(|plan| ("plan_id".to_owned(), json!(plan))));
    pointer.meta.extend(write::pairs("--pointer-meta", &args.pointer_meta)?);
    // The key by which checks find the pair (the playbook: directive_pointer).
    pointer.meta.entry("directive").or_insert_with(|| json!(args.task));
    pointer.note = Some(args.pointer_note.unwrap_or_else(|| format!("See {}", args.task)));
    pointer.receipts = args.pointer_receipts;

    let entries =
        [Entry::message(&args.task, directive, author.epoch), Entry::message(&args.pointer_task, pointer, None)];
    write::write(app, "bus directive", &author, &entries, &args.repeat)?;
    Ok(ExitCode::SUCCESS)
}
