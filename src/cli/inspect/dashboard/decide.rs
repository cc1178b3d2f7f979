//! `teof dashboard clear`, `teof dashboard reassign`: decide about dirty hand-offs.

use serde_json::json;

use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::author::Flags;
use crate::guard::operator;
use crate::ops::session::handoff;

/// Clear a seat's dirty hand-offs: its changes are committed or gone
///
/// For the seat itself, a manager or a person. The receipts stay as evidence; the decision is a receipt beside each.
///
/// With --json: {seat, receipts: [path]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof dashboard clear codex-1 --note \"Committed as 1a2b3c\"")]
pub struct Clear {
    /// The seat that looks after them
    seat: String,
    /// What became of the changes
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    author: Flags,
}

/// Give a seat's dirty hand-offs to another seat
///
/// For the seat itself, a manager or a person. The other seat gets a message.
///
/// With --json: {seat, to, receipts: [path]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof dashboard reassign codex-1 --to codex-2")]
pub struct Reassign {
    /// The seat that looks after them
    seat: String,
    /// The seat that does from now on
    #[arg(long, value_name = "SEAT")]
    to: String,
    /// For the other seat
    #[arg(long, value_name = "TEXT")]
    note: Option<String>,
    #[command(flatten)]
    author: Flags,
}

pub fn clear(args: &Clear, app: &App) -> Result<()> {
    operator::run::refuse("clear a dirty hand-off")?;
    let hub = app.hub()?;
    let author = args.author.author(hub, None)?;
    let receipts = handoff::decide(hub, &author, &args.seat, None, args.note.as_deref())?;
    let document = json!({"seat": args.seat, "receipts": receipts});
    app.result(&document, || {
        format!("Cleared {} of {}", text::counted(receipts.len(), "dirty hand-off"), text::safe(&args.seat))
    });
    Ok(())
}

pub fn reassign(args: &Reassign, app: &App) -> Result<()> {
    operator::run::refuse("reassign a dirty hand-off")?;
    let hub = app.hub()?;
    let author = args.author.author(hub, None)?;
    let receipts = handoff::decide(hub, &author, &args.seat, Some(&args.to), args.note.as_deref())?;
    let document = json!({"seat": args.seat, "to": args.to, "receipts": receipts});
    app.result(&document, || {
        let count = text::counted(receipts.len(), "dirty hand-off");
        format!("Reassigned {count} of {} to {}", text::safe(&args.seat), text::safe(&args.to))
    });
    Ok(())
}
