//! `teof bus inbox`

use std::process::ExitCode;

use serde_json::json;

use crate::base::{Result, Stamp, text};
use crate::cli::App;
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::guard::operator::{self, OPERATOR};
use crate::model::message::MANAGER_REPORT;
use crate::ops::session::inbox::{self, Inbox, Query};
use crate::seats;

/// Show the messages to a seat, oldest first
///
/// Unread messages have a star. Use it at the start of a session and between tasks. A person without a seat sees what
/// is addressed to the operator, and manager-report.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus inbox\n\
\x20 teof bus inbox --mark-read")]
pub struct Args {
    /// Whose inbox [default: TEOF_AGENT, else this worktree's seat]
    #[arg(long, value_name = "SEAT")]
    agent: Option<String>,
    /// Show the last N messages; 0 shows all
    #[arg(long, value_name = "N", default_value_t = 10)]
    limit: usize,
    /// Mark all of them as read
    #[arg(long)]
    mark_read: bool,
    /// Keep a receipt of what was shown (the default)
    #[arg(long, overrides_with = "no_capture_receipt", help_heading = MORE)]
    capture_receipt: bool,
    /// Keep no receipt
    #[arg(long, help_heading = MORE)]
    no_capture_receipt: bool,
    /// Path of the receipt [default: _report/session/<seat>/agent-inbox-tail.txt]
    #[arg(long, value_name = "PATH", conflicts_with = "no_capture_receipt", help_heading = MORE)]
    receipt: Option<String>,
    /// Path of the read marks [default: _report/session/<seat>/agent-inbox-state.json]
    #[arg(long, value_name = "PATH", help_heading = MORE)]
    state: Option<String>,
    /// Replace the files of --receipt and --state although teof did not write them
    #[arg(long, help_heading = MORE)]
    force: bool,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    let hub = app.hub_to_read()?;
    // Anybody may read; only the seat itself leaves its receipt and remembers what it read.
    let is_person = || operator::require("read the operator's inbox").is_ok();
    let (agent, own) = match (seats::resolve(hub, args.agent.as_deref()), &args.agent) {
        (Ok(agent), _) => (agent, true),
        (Err(_), Some(other)) if !args.mark_read => (other.clone(), false),
        (Err(_), None) if !args.mark_read && is_person() => (OPERATOR.to_owned(), false),
        (Err(e), _) => return Err(e),
    };
    let own = own && agent != OPERATOR;
    let query = Query {
        agent,
        limit: args.limit,
        mark_read: args.mark_read,
        receipt: (own && !args.no_capture_receipt).then(|| args.receipt.unwrap_or_default()),
        state: args.state,
        force: args.force,
    };
    let inbox = inbox::read(hub, &query)?;
    let raw: Vec<_> = inbox.messages.iter().map(|message| &message.raw).collect();
    let document = json!({
        "agent_id": query.agent,
        "channel": inbox.channel,
        "messages": raw,
        "unread": inbox.unread,
        "marked_read": query.mark_read,
        "receipt": inbox.receipt,
    });
    app.result(&document, || match inbox.messages.is_empty() {
        true => String::new(),
        false => table(&inbox, app.times()).show(),
    });
    app.say(match query.agent == OPERATOR {
        true => format!("For you as the operator, in {} and {MANAGER_REPORT}: {}", inbox.channel, {
            text::counted(inbox.unread, "message")
        }),
        false => format!("{}: {} unread", inbox.channel, inbox.unread),
    });
    Ok(ExitCode::SUCCESS)
}

fn table(inbox: &Inbox, times: Times) -> Table {
    let mut table = Table::new([
        Column::word(""),
        Column::word("TIME"),
        Column::text("FROM"),
        Column::word("TYPE"),
        Column::text("TASK").optional(),
        Column::text("SUMMARY"),
    ]);
    for message in &inbox.messages {
        let star = if inbox.is_unread(message) { "*" } else { "" };
        let at = message.raw.get("ts").and_then(|ts| ts.as_str()).and_then(Stamp::parse);
        let part = |part: Option<&str>| Cell::new(text::clip(part.unwrap_or("-"), 2000));
        table.row([
            Cell::painted(Meaning::Attention, star),
            at.map_or_else(|| "-".to_owned(), |at| times.at(at)).into(),
            part(message.from()),
            part(message.kind()),
            part(message.task_id()),
            part(message.summary()),
        ]);
    }
    table
}
