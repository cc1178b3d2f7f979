//! `teof consensus dashboard`

use serde_json::json;

use crate::base::{Result, json as layout, text};
use crate::cli::App;
use crate::cli::support::since::since;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times};
use crate::consensus::{Decision, decisions};
use crate::ops::consensus::review;
use crate::ops::tasks::disagreements::{self, Disagreement};

/// Show the decisions: state, manager, last update, receipts
///
/// A decision is due when it is open and has no receipt after 24 hours, or no update for 24 hours. It also names the
/// tasks whose claim and assignment disagree.
///
/// With --json: {decisions: [{decision_id, manager, status, is_open, opened_at, last_update, plan_id, receipts,
/// event_count, message_count, escalated_at, due}], disagreements: [{task_id, why, …}]}.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus dashboard --since 24h\n\
\x20 teof consensus dashboard --task QUEUE-030 --task QUEUE-031 --format markdown")]
pub struct Args {
    /// Only this decision or task, even if nothing is known about it; repeatable
    #[arg(long, visible_alias = "decision", value_name = "ID")]
    task: Vec<String>,
    /// Only decisions with an update since then, and those that are due: 24h, yesterday, 2026-01-05
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Output format
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Markdown,
    Json,
}

pub fn run(args: &Args, app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    let mut decisions = decisions::read(hub, &args.task)?;
    if let Some(text) = &args.since {
        decisions = review::recent(&decisions, since(text, app.now())?);
    }
    if args.task.is_empty() {
        // What waits for somebody first.
        decisions.sort_by_key(|decision| (decision.due.is_none(), !decision.is_open));
    }
    let mut disagreements = disagreements::all(hub)?;
    disagreements.retain(|found| args.task.is_empty() || args.task.contains(&found.task_id));
    let document = json!({"decisions": decisions, "disagreements": disagreements});
    match args.format {
        Format::Json if !app.json() => app.out(layout::printable(layout::pretty(&document))),
        Format::Markdown if !app.json() => app.out(markdown(&decisions, &disagreements)),
        _ => app.result(&document, || render(&decisions, &disagreements, app.times())),
    }
    let due = decisions.iter().filter(|decision| decision.due.is_some() && !decision.is_escalated()).count();
    if due > 0 {
        app.say(format!("{} to escalate: teof consensus escalate", text::counted(due, "decision")));
    }
    Ok(())
}

fn render(decisions: &[Decision], disagreements: &[Disagreement], times: Times) -> String {
    let mut parts = vec![table(decisions, times)];
    if !disagreements.is_empty() {
        let lines = disagreements.iter().map(|found| text::safe(&format!("{}: {}", found.task_id, found.why)));
        parts.push(format!("Claims that disagree with their assignment:\n{}", lines.collect::<Vec<_>>().join("\n")));
    }
    parts.join("\n\n")
}

fn table(decisions: &[Decision], times: Times) -> String {
    if decisions.is_empty() {
        return "No decisions.".to_owned();
    }
    let mut table = Table::new([
        Column::word("STATE"),
        Column::text("DECISION"),
        Column::word("STATUS").optional(),
        Column::text("MANAGER").optional(),
        Column::word("LAST UPDATE"),
        Column::number("RECEIPTS"),
        Column::number("EVENTS").optional(),
        Column::number("MESSAGES").optional(),
    ]);
    for decision in decisions {
        let state = match decision.state() {
            "due" => Cell::painted(Meaning::Attention, "due"),
            "open" => Cell::painted(Meaning::Active, "open"),
            other => Cell::painted(Meaning::Good, other),
        };
        table.row([
            state,
            (&decision.decision_id).into(),
            text::clip(&decision.status, 16).into(),
            decision.manager.as_deref().unwrap_or("-").into(),
            decision.last_update.map_or_else(|| "-".to_owned(), |at| times.at(at)).into(),
            decision.receipts.len().to_string().into(),
            decision.event_count.to_string().into(),
            decision.message_count.to_string().into(),
        ]);
        if let Some(due) = decision.due {
            let asked = decision.escalated_at.filter(|_| decision.is_escalated());
            let asked = asked.map_or_else(String::new, |at| format!("; escalated {}", times.at(at)));
            table.note(format!("{}{asked}", due.describe()));
        }
    }
    table.show()
}

fn markdown(decisions: &[Decision], disagreements: &[Disagreement]) -> String {
    let mut out = format!("# Consensus\n\n{}", review::decisions_markdown(decisions));
    if !disagreements.is_empty() {
        out.push_str("\n## Claims that disagree with their assignment\n\n");
        for found in disagreements {
            out.push_str(&format!("- {}: {}\n", text::markdown(&found.task_id), text::markdown(&found.why)));
        }
    }
    out.trim_end().to_owned()
}
