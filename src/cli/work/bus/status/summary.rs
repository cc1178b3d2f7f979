//! The short list of `teof bus status --summary`: one line a manager, claim and event.

use serde_json::{Map, Value};

use super::audits;
use super::text::{beat_data, last_seen, shown_presence};
use crate::base::{Stamp, text};
use crate::cli::support::terminal::Times;
use crate::ops::presence::status::{Held, Report};

/// The longest line.
const LINE: usize = 300;

/// All of a report as a list, safe for a terminal.
pub fn render(report: &Report, times: Times) -> String {
    let mut lines = Vec::new();
    for manager in report.managers.iter().flat_map(|heartbeat| &heartbeat.managers) {
        let (state, _) = shown_presence(manager);
        let mut parts = vec![last_seen(manager, times)];
        parts.extend(beat_data(manager));
        let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        let about = if parts.is_empty() { String::new() } else { format!(" ({})", parts.join("; ")) };
        lines.push(format!("manager {} {state}{about}", manager.agent_id));
    }
    lines.extend(report.claims.iter().map(|held| claim(held, times)));
    lines.extend(report.audits.iter().map(audits::line));
    lines.extend(report.events.iter().map(|line| event(line, times)));
    lines.extend(report.damaged.iter().map(|damaged| format!("damaged {}: {}", damaged.path, damaged.why)));
    if lines.is_empty() {
        return "- no claims and no events match the filters".to_owned();
    }
    let lines = lines.iter().map(|line| format!("- {}", text::clip(&text::safe(line), LINE)));
    lines.collect::<Vec<_>>().join("\n")
}

fn claim(held: &Held, times: Times) -> String {
    let claim = &held.claim;
    let lease = claim.lease_expires_at().filter(|_| claim.is_live());
    let lease = lease.map(|at| format!(", lease until {}", times.at(at))).unwrap_or_default();
    let hold = held.hold.as_ref().map(|hold| format!(", on hold: {hold}")).unwrap_or_default();
    let (agent, status) = (claim.agent_id().unwrap_or("?"), claim.status_text().unwrap_or("?"));
    format!("claim {} {agent} {status}{lease}{hold}", held.task)
}

fn part<'e>(event: &'e Map<String, Value>, key: &str) -> &'e str {
    event.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn event(event: &Map<String, Value>, times: Times) -> String {
    let at = Stamp::parse(part(event, "ts")).map_or_else(|| "-".to_owned(), |at| times.at(at));
    let severity = part(event, "severity");
    let severity = if severity.is_empty() { String::new() } else { format!(" [{severity}]") };
    let (agent, kind, summary) = (part(event, "agent_id"), part(event, "event"), part(event, "summary"));
    format!("event {at} {agent} {kind}{severity}: {summary}")
}
