//! `teof bus heartbeat`

use std::process::ExitCode;

use serde_json::{Value, json};

use super::write::Concerns;
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::support::author::{self, Flags};
use crate::cli::support::help::MORE;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times, paint};
use crate::cli::support::window::{Window, minutes};
use crate::guard::operator;
use crate::ops::presence::alert::{self, Checked, Notice, Request};
use crate::ops::presence::heartbeat::{Presence, Windows};

/// Check that managers and agents are alive, and record what is wrong
///
/// Use it in a sweep, or regularly. A manager is present with a handshake or a status within its window, or while its
/// coordinator runs. An agent is idle when it holds a task and wrote neither event nor message within its window. Each
/// check is a receipt; an alert is also an event and a message in manager-report.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus heartbeat --dry-run                          # a receipt, and nothing on the bus\n\
\x20 teof bus heartbeat --manager-window 30 --agent-window 240")]
pub struct Args {
    /// Minutes without a heartbeat after which a manager is stale; 0 turns it off
    #[arg(long, value_name = "MINUTES", default_value = "30", value_parser = minutes, allow_negative_numbers = true)]
    manager_window: Window,
    /// Minutes of silence after which a holder of a task is idle; 0 turns it off
    #[arg(long, value_name = "MINUTES", default_value = "240", value_parser = minutes, allow_negative_numbers = true)]
    agent_window: Window,
    /// Write the receipt only
    #[arg(long)]
    dry_run: bool,
    /// Write no event
    #[arg(long)]
    no_bus_event: bool,
    /// Write no message
    #[arg(long)]
    no_bus_message: bool,
    /// Also count this seat as a manager; repeatable
    #[arg(long = "manager", value_name = "SEAT")]
    managers: Vec<String>,
    #[command(flatten)]
    concerns: Concerns,
    /// Channel of the message
    #[arg(long, value_name = "CHANNEL", default_value = "manager-report", help_heading = MORE)]
    message_task: String,
    /// Type of the message
    #[arg(long, value_name = "TYPE", default_value = "status", help_heading = MORE)]
    message_type: String,
    /// Note of the message
    #[arg(long, help_heading = MORE)]
    note: Option<String>,
    #[command(flatten)]
    author: Flags,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    operator::run::refuse("check the heartbeats")?;
    let hub = app.hub()?;
    author::warn_of_unknown(app, hub, &args.managers)?;
    let notice = Notice { channel: args.message_task, kind: args.message_type, note: args.note };
    let request = Request {
        author: args.author.author(hub, args.concerns.task.as_deref())?,
        windows: Windows { manager: args.manager_window.0, agent: args.agent_window.0 },
        managers: args.managers,
        task: args.concerns.task,
        plan: args.concerns.plan,
        branch: args.concerns.branch,
        pr: args.concerns.pr,
        event: !args.dry_run && !args.no_bus_event,
        message: Some(notice).filter(|_| !args.dry_run && !args.no_bus_message),
    };
    let checked = alert::check(hub, &request)?;
    for remark in &checked.remarks {
        app.warn(remark);
    }
    app.result(&document(&checked), || render(&checked, app.times()));
    for next in next(&checked) {
        app.say(next);
    }
    Ok(ExitCode::SUCCESS)
}

/// What the receipt says, and what was written.
fn document(checked: &Checked) -> Value {
    let mut document = Value::Object(checked.heartbeat.document());
    document["receipt"] = json!(checked.receipt);
    document["event"] = json!(checked.event);
    document["message"] = json!(checked.channel);
    document
}

fn render(checked: &Checked, times: Times) -> String {
    let heartbeat = &checked.heartbeat;
    let alerts = heartbeat.alerts().len();
    let state = match alerts {
        0 => paint(Meaning::Good, "No alerts"),
        _ => {
            paint(Meaning::Attention, format!("{} ({})", text::counted(alerts, "alert"), heartbeat.severity().as_str()))
        }
    };
    let mut lines = vec![format!("{state}; receipt: {}", text::safe(&checked.receipt))];
    let mut table =
        Table::new([Column::text("SEAT"), Column::word("STATE"), Column::word("LAST SIGN"), Column::text("HOLDS")]);
    for presence in [Presence::Missing, Presence::Stale] {
        for manager in heartbeat.managers_in(presence) {
            let state = if presence == Presence::Stale { "manager, stale" } else { "manager, never seen" };
            let seen = manager.beat.as_ref().map(|beat| times.ago(beat.at)).unwrap_or_default();
            table.row([(&manager.agent_id).into(), Cell::painted(Meaning::Bad, state), seen.into(), "".into()]);
        }
    }
    for idle in &heartbeat.idle {
        let seen = idle.last_activity.map_or_else(|| "never".to_owned(), |at| times.ago(at));
        let holds = idle.tasks.join(", ");
        table.row([(&idle.agent_id).into(), Cell::painted(Meaning::Attention, "idle"), seen.into(), holds.into()]);
    }
    if !table.is_empty() {
        lines.push(table.show());
    }
    lines.join("\n")
}

/// What helps against the first alert of each kind, for people.
fn next(checked: &Checked) -> Vec<String> {
    let heartbeat = &checked.heartbeat;
    let absent = heartbeat.managers.iter().find(|manager| manager.presence != Presence::Active);
    let manager = absent.map(|manager| {
        let seat = &manager.agent_id;
        format!(
            "{seat} is present after: teof bus ping --agent {seat}; when it is gone for good: teof seat retire {seat}"
        )
    });
    let idle = heartbeat.idle.iter().find_map(|idle| {
        let task = idle.tasks.first()?;
        let seat = &idle.agent_id;
        Some(format!(
            "ask {seat}: teof bus message --task agent-{seat} --type request --summary …; or free its task: teof bus pause {task} --reason …"
        ))
    });
    manager.into_iter().chain(idle).map(|line| text::safe(&line)).collect()
}
