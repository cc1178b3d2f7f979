//! The text of `teof bus status`: managers, claims, events.

use serde_json::{Map, Value};

use super::audits;
use crate::base::{Stamp, text, time};
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times, paint};
use crate::model::{self, claim::ClaimStatus};
use crate::ops::presence::heartbeat::{Heartbeat, Manager, Presence};
use crate::ops::presence::status::{Held, Preset, Report};
use crate::seats::editing;

/// All of a report, safe for a terminal.
pub fn render(report: &Report, shown: Times) -> String {
    let is_asked = report.query.preset == Some(Preset::Manager);
    let mut lines = match &report.managers {
        None if is_asked => vec!["manager heartbeats are not checked (--manager-window 0)".to_owned(), String::new()],
        Some(heartbeat) if heartbeat.managers.is_empty() && is_asked => {
            vec!["no manager: no seat has the role manager; name one: --manager SEAT".to_owned(), String::new()]
        }
        None => Vec::new(),
        Some(heartbeat) => of_managers(heartbeat, shown),
    };
    lines.push(paint(Meaning::Heading, "Claims"));
    lines.push(claims(report, shown));
    lines.push(String::new());
    lines.push(paint(Meaning::Heading, "Events"));
    lines.push(events(report, shown));
    for damaged in &report.damaged {
        let line = format!("damaged: {}: {}", text::safe(&damaged.path), text::safe(&damaged.why));
        lines.push(paint(Meaning::Bad, line));
    }
    lines.join("\n")
}

fn of_managers(heartbeat: &Heartbeat, shown: Times) -> Vec<String> {
    if heartbeat.managers.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![paint(Meaning::Heading, "Managers")];
    if heartbeat.managers_in(Presence::Active).next().is_none() {
        let window = heartbeat.windows.manager.map(time::duration).unwrap_or_default();
        lines.push(paint(Meaning::Attention, format!("no manager heartbeat within {window}")));
    }
    let mut table =
        Table::new([Column::text("SEAT"), Column::word("STATE"), Column::word("LAST SEEN"), Column::text("SUMMARY")]);
    for manager in &heartbeat.managers {
        let (state, meaning) = shown_presence(manager);
        let summary = manager.beat.as_ref().map(|beat| beat.summary.clone()).unwrap_or_default();
        table.row([
            (&manager.agent_id).into(),
            Cell::painted(meaning, state),
            last_seen(manager, shown).into(),
            summary.into(),
        ]);
        if let Some(data) = beat_data(manager) {
            table.note(text::clip(&text::safe(&data), 400));
        }
    }
    lines.extend([table.show(), String::new()]);
    lines
}

/// A manager's state in a word or two.
pub fn shown_presence(manager: &Manager) -> (&'static str, Meaning) {
    match manager.presence {
        Presence::Active if manager.coordinates => ("coordinates", Meaning::Good),
        Presence::Active => ("active", Meaning::Good),
        Presence::Stale => ("stale", Meaning::Attention),
        Presence::Missing => ("never seen", Meaning::Attention),
    }
}

/// When a manager last sent a heartbeat; empty when never.
pub fn last_seen(manager: &Manager, times: Times) -> String {
    manager.beat.as_ref().map(|beat| times.ago(beat.at)).unwrap_or_default()
}

/// What the heartbeat says besides its summary: `shift=mid, cadence=daily`. What teof itself adds to events is left
/// out.
pub fn beat_data(manager: &Manager) -> Option<String> {
    const OWN: [&str; 7] = ["branch_prefix", "by", "epoch", "recognised", "receipts", "severity", "pr"];
    let data = manager.beat.as_ref()?.meta.iter().filter(|(key, _)| !OWN.contains(&key.as_str()));
    let data = data.map(|(key, value)| match value.as_str() {
        Some(text) => format!("{key}={text}"),
        None => format!("{key}={value}"),
    });
    Some(data.collect::<Vec<_>>().join(", ")).filter(|data| !data.is_empty())
}

fn claims(report: &Report, shown: Times) -> String {
    if report.claims.is_empty() {
        let is_filtered = !report.query.agents.is_empty() || report.query.active_only;
        return if is_filtered { "no claims match the filters" } else { "no claims" }.to_owned();
    }
    let mut table = Table::new([
        Column::text("TASK"),
        Column::word("STATUS"),
        Column::text("SEAT"),
        Column::word("LEASE").or_below(),
        Column::number("EPOCH").optional(),
        Column::word("PLAN").optional(),
        Column::word("BRANCH").optional(),
    ]);
    for held in &report.claims {
        claim(held, shown, &mut table);
        let of_it = |audit: &&Map<String, Value>| audit.get("task_id").and_then(Value::as_str) == Some(&*held.task);
        for audit in report.audits.iter().filter(of_it) {
            let at = audit.get("ts").and_then(Value::as_str).and_then(Stamp::parse);
            let at = at.map(|at| format!(", {}", shown.ago(at))).unwrap_or_default();
            table.note(text::clip(&text::safe(&format!("{}{at}", audits::line(audit))), 400));
        }
    }
    table.show()
}

fn claim(held: &Held, shown: Times, table: &mut Table) {
    let claim = &held.claim;
    let status = claim.status_text().unwrap_or("?");
    let status = match claim.status() {
        Some(ClaimStatus::Active) => Cell::painted(Meaning::Active, status),
        Some(ClaimStatus::Paused) => Cell::painted(Meaning::Attention, status),
        _ => Cell::painted(Meaning::Quiet, status),
    };
    let lease = claim.lease_expires_at().filter(|_| claim.is_live()).map(|at| format!("until {}", shown.at(at)));
    let epoch = if claim.epoch() > 0 { claim.epoch().to_string() } else { String::new() };
    table.row([
        (&held.task).into(),
        status,
        claim.agent_id().unwrap_or("?").into(),
        lease.unwrap_or_default().into(),
        epoch.into(),
        claim.plan_id().unwrap_or_default().into(),
        claim.branch().unwrap_or_default().into(),
    ]);
    if let Some(hold) = &held.hold {
        table.note(text::clip(&text::safe(&format!("on hold: {hold}")), 400));
    }
    if let Some(last) = held.editing.first() {
        let paths = editing::describe(&held.editing);
        table.note(text::clip(&text::safe(&format!("edits {paths}, {}", shown.ago(last.at))), 400));
    }
}

fn events(report: &Report, shown: Times) -> String {
    if report.events.is_empty() {
        return if report.size.lines == 0 { "no events" } else { "no events match the filters" }.to_owned();
    }
    let mut table = Table::new([
        Column::word("TIME"),
        Column::text("SEAT"),
        Column::text("EVENT").optional(),
        Column::text("SUMMARY"),
        Column::word("SEVERITY").optional(),
        Column::word("TASK").optional(),
        Column::word("RECEIPTS").optional(),
    ]);
    for event in &report.events {
        table.row(row(event, shown));
    }
    table.show()
}

fn row(event: &Map<String, Value>, shown: Times) -> [Cell; 7] {
    let part = |key: &str| text::clip(event.get(key).and_then(Value::as_str).unwrap_or_default(), 1000);
    let at = Stamp::parse(&part("ts")).map_or_else(|| "-".to_owned(), |at| shown.at(at));
    let severity = part("severity");
    let meaning = if severity == "high" { Meaning::Bad } else { Meaning::Attention };
    [
        at.into(),
        part("agent_id").into(),
        part("event").into(),
        part("summary").into(),
        Cell::painted(meaning, severity),
        part("task_id").into(),
        model::texts(event, "receipts").join(" ").into(),
    ]
}
