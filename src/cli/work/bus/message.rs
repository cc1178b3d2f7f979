//! `teof bus message`

use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value};

use super::write::{self, BatchLine, Details};
use crate::base::{Result, names};
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::ops::publish::Entry;

/// Write a message to a channel
///
/// Use it to talk to other seats: the channel of a task, manager-report, or agent-<id> for one seat. These
/// types need your claim of the task: status, note, request, summary, consensus, proposal.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus message --task QUEUE-002 --type note --summary \"Tests pass\"\n\
\x20 teof bus message --task agent-codex-2 --type reminder --summary \"Please release\"")]
pub struct Args {
    /// A task, manager-report, or agent-<id>
    #[arg(long, value_name = "CHANNEL", required_unless_present = "batch")]
    task: Option<String>,
    /// status, note, request, summary, consensus, proposal, assignment, directive, reminder, hold, lift, …
    #[arg(long = "type", value_name = "TYPE", required_unless_present = "batch")]
    kind: Option<String>,
    /// The message, in one sentence
    #[arg(long, required_unless_present = "batch")]
    summary: Option<String>,
    /// More data; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = MORE)]
    meta: Vec<String>,
    /// More details
    #[arg(long)]
    note: Option<String>,
    /// A role or seat that also gets the message
    #[arg(long, value_name = "ROLE")]
    target: Option<String>,
    /// A file with evidence, relative to the repository; repeatable
    #[arg(long = "receipt", value_name = "PATH")]
    receipts: Vec<String>,
    /// The branch it concerns
    #[arg(long, help_heading = MORE)]
    branch: Option<String>,
    /// The plan it concerns
    #[arg(long, help_heading = MORE)]
    plan: Option<String>,
    /// Read messages from stdin, one JSON object per line: all or none are written
    #[arg(long, conflicts_with_all = ["task", "kind", "summary", "meta", "note", "target", "receipts", "branch", "plan"], help_heading = MORE)]
    batch: bool,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

/// A line of a batch.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    #[serde(alias = "task")]
    task_id: String,
    #[serde(rename = "type")]
    kind: String,
    summary: String,
    branch: Option<String>,
    #[serde(alias = "plan")]
    plan_id: Option<String>,
    #[serde(default)]
    meta: Map<String, Value>,
    #[serde(default)]
    receipts: Vec<String>,
    note: Option<String>,
    #[serde(alias = "target")]
    to: Option<String>,
    epoch: Option<u64>,
    from: Option<String>,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub()?;
    let (author, entries) = write::entries(hub, &args.author, args.batch, || {
        Ok(Line {
            task_id: args.task.unwrap_or_default(),
            kind: args.kind.unwrap_or_default(),
            summary: args.summary.unwrap_or_default(),
            branch: args.branch,
            plan_id: args.plan,
            meta: write::pairs("--meta", &args.meta)?,
            receipts: args.receipts,
            note: args.note,
            to: args.target,
            epoch: None,
            from: None,
        })
    })?;
    write::write(app, "bus message", &author, &entries, &args.repeat)?;
    Ok(ExitCode::SUCCESS)
}

impl BatchLine for Line {
    fn agent(&self) -> Option<&str> {
        self.from.as_deref()
    }

    fn task(&self) -> Option<&str> {
        Some(&self.task_id)
    }

    fn epoch(&self) -> Option<u64> {
        self.epoch
    }

    fn into_entry(self, author: &str, epoch: Option<u64>) -> Result<Entry> {
        let role = self.to.map(|role| role.trim().to_lowercase());
        if let Some(role) = &role {
            names::check_id("target", role)?;
        }
        let details = Details {
            plan: self.plan_id,
            meta: self.meta,
            branch: self.branch,
            receipts: self.receipts,
            note: self.note.filter(|note| !note.trim().is_empty()),
        };
        let mut message = details.message(author, self.kind.trim(), &self.task_id, self.summary);
        message.to = role;
        Ok(Entry::message(&self.task_id, message, epoch))
    }
}
