//! The text of `teof bus status`: managers, claims, events.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::base::{Stamp, text, time};
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, Times, paint};
use crate::model::{self, claim::ClaimStatus};
use crate::ops::status::{Held, Managers, Report};

/// All of a report, safe for a terminal.
pub fn render(report: &Report, shown: Times) -> String {
    let mut lines = match &report.managers {
        None => Vec::new(),
        Some(managers) => of_managers(managers, report.query.manager_window, shown),
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

fn of_managers(managers: &Managers, window: Option<Duration>, shown: Times) -> Vec<String> {
    if managers.candidates.is_empty() {
        return Vec::new();
    }
    let mut lines = vec![paint(Meaning::Heading, "Managers")];
    if managers.active.is_empty() {
        let window = window.map(time::duration).unwrap_or_default();
        lines.push(paint(Meaning::Attention, format!("no manager heartbeat within {window}")));
    }
    let mut table =
        Table::new([Column::text("SEAT"), Column::word("STATE"), Column::word("LAST SEEN"), Column::text("SUMMARY")]);
    for (state, meaning, entries) in
        [("active", Meaning::Good, &managers.active), ("stale", Meaning::Attention, &managers.stale)]
    {
        for entry in entries {
            let part = |key: &str| entry[key].as_str().unwrap_or("-");
            let seen = Stamp::parse(part("last_seen")).map_or_else(|| "-".to_owned(), |at| shown.ago(at));
            table.row([part("agent_id").into(), Cell::painted(meaning, state), seen.into(), part("summary").into()]);
        }
    }
    for agent in &managers.missing {
        table.row([agent.into(), Cell::painted(Meaning::Quiet, "never seen"), "".into(), "".into()]);
    }
    lines.extend([table.show(), String::new()]);
    lines
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
        Column::word("LEASE"),
        Column::number("EPOCH").optional(),
        Column::text("PLAN").optional(),
        Column::text("BRANCH").optional(),
    ]);
    for held in &report.claims {
        claim(held, shown, &mut table);
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
}

fn events(report: &Report, shown: Times) -> String {
    if report.events.is_empty() {
        return if report.size.lines == 0 { "no events" } else { "no events match the filters" }.to_owned();
    }
    let mut table = Table::new([
        Column::word("TIME"),
        Column::text("SEAT"),
        Column::text("EVENT"),
        Column::text("SUMMARY"),
        Column::word("SEVERITY").optional(),
        Column::text("TASK").optional(),
        Column::text("RECEIPTS").optional(),
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
