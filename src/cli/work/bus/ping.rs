//! `teof bus ping`

use std::process::ExitCode;

use super::write::{self, Concerns, Details};
use crate::base::{Refusal, Result};
use crate::cli::App;
use crate::cli::support::author::{Flags, Repeat};
use crate::cli::support::help::MORE;
use crate::model::event::Event;
use crate::ops::publish::Entry;

/// Report that you are here (heartbeat)
///
/// Writes an event, and with --message-task also a message: both or neither. Managers count as absent when they
/// stay silent.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus ping --meta shift=mid\n\
\x20 teof bus ping --message-task manager-report")]
pub struct Args {
    /// The text; the seat's name is put before it
    #[arg(long, default_value = "heartbeat")]
    summary: String,
    /// Kind of the event
    #[arg(long, default_value = "status", value_name = "KIND", help_heading = MORE)]
    event: String,
    #[command(flatten)]
    concerns: Concerns,
    /// A file with evidence for the event; repeatable
    #[arg(long = "event-receipt", value_name = "PATH", help_heading = MORE)]
    event_receipts: Vec<String>,
    /// More data for the event, such as shift=mid; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    meta: Vec<String>,
    /// Write no event
    #[arg(long, help_heading = MORE)]
    skip_event: bool,
    /// Also write a message to this channel: a task, or manager-report
    #[arg(long, value_name = "CHANNEL")]
    message_task: Option<String>,
    /// Type of the message
    #[arg(long, default_value = "status", value_name = "TYPE", help_heading = MORE)]
    message_type: String,
    /// Note of the message
    #[arg(long)]
    note: Option<String>,
    /// A file with evidence for the message; repeatable
    #[arg(long = "message-receipt", value_name = "PATH", help_heading = MORE)]
    message_receipts: Vec<String>,
    /// More data for the message; repeatable
    #[arg(long, value_name = "KEY=VALUE", help_heading = MORE)]
    message_meta: Vec<String>,
    /// Write no message
    #[arg(long, help_heading = MORE)]
    skip_message: bool,
    #[command(flatten)]
    author: Flags,
    #[command(flatten)]
    repeat: Repeat,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let concerns = args.concerns;
    let task = concerns.task.as_deref().or(args.message_task.as_deref());
    let author = args.author.author(app.hub()?, task)?;
    let summary = named(&author.agent, &args.summary);
    let mut entries = Vec::new();
    if !args.skip_event {
        let meta = write::pairs("--meta", &args.meta)?;
        write::check_meta(&meta)?;
        let event = Event {
            task_id: concerns.task.clone(),
            plan_id: concerns.plan.clone(),
            branch: concerns.branch.clone(),
            pr: concerns.pr,
            receipts: args.event_receipts,
            meta,
            ..Event::new(&author.agent, &args.event, summary.clone())
        };
        entries.push(Entry::event(event, author.epoch.filter(|_| concerns.task.is_some())));
    }
    if let Some(channel) = args.message_task.filter(|_| !args.skip_message) {
        let details = Details {
            plan: concerns.plan,
            meta: write::pairs("--message-meta", &args.message_meta)?,
            branch: concerns.branch,
            receipts: args.message_receipts,
            note: args.note,
        };
        let message = details.message(&author.agent, &args.message_type, &channel, summary);
        let epoch = author.epoch.filter(|_| concerns.task.as_ref().is_none_or(|task| *task == channel));
        entries.push(Entry::message(&channel, message, epoch));
    }
    if entries.is_empty() {
        return Err(Refusal::usage("ping.empty", "there is nothing to write")
            .next("leave --skip-event out, or name a channel with --message-task")
            .into());
    }
    write::write(app, "bus ping", &author, &entries, &args.repeat)?;
    Ok(ExitCode::SUCCESS)
}

/// The summary with the seat's name before it, unless it begins with it (the playbook: bus_ping).
fn named(agent: &str, summary: &str) -> String {
    let prefix = format!("{agent}:");
    let begins = summary.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(&prefix));
    if begins { summary.to_owned() } else { format!("{prefix} {summary}") }
}
