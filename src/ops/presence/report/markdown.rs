//! The manager report as Markdown. Text of agents stays text: it is escaped, and on one line.

use serde_json::{Map, Value};

use super::content::{LiveClaim, ManagerReport};
use super::tasks::TaskNote;
use crate::base::{names, text};

/// At most this many entries of a section are listed.
const SHOWN: usize = 200;
/// The longest text of one entry.
const LONGEST: usize = 300;

/// The whole report.
pub fn render(report: &ManagerReport) -> String {
    let mut page = Page { lines: Vec::new() };
    page.line(format!("# Manager Report — {}", report.generated_at));
    page.line(String::new());
    page.line(format!("Manager: {}", code(&report.manager)));
    page.heartbeat(&report.heartbeat);
    page.section("Stale claims", &report.stale_claims, |found| {
        let hint = found.hint.as_deref().map(|hint| format!(" ({})", quoted(hint))).unwrap_or_default();
        format!("{}: {}{hint}", code(found.path.as_deref().unwrap_or("-")), plain(&found.message))
    });
    page.section("Assignments without claims", &report.unclaimed, |found| {
        let engineer = found.engineer.as_deref().map_or("nobody".to_owned(), code);
        let at = found.assigned_at.map(|at| format!(" at {at}")).unwrap_or_default();
        format!(
            "{}: assigned to {engineer} by {}{at}",
            code(&found.task_id),
            code(found.manager.as_deref().unwrap_or("-"))
        )
    });
    page.section("Claims that differ from their assignments", &report.disagreements, |found| {
        format!(
            "{} \\[{}\\]: {}",
            code(&found.task_id),
            plain(found.claim_status.as_deref().unwrap_or("-")),
            plain(&found.why)
        )
    });
    page.section("Dirty hand-offs", &report.handoffs, |found| {
        let at = found.captured_at.map(|at| format!(" at {at}")).unwrap_or_default();
        let changes = text::counted(found.pending_count, "change");
        let first = plain(&found.status_preview.join(", "));
        format!("{}: {changes}{at}: {first} ({})", code(&found.agent_id), code(&found.receipt))
    });
    page.section("Recent alerts", &report.alerts, |alert| {
        let part = |key: &str| alert.get(key).and_then(Value::as_str).unwrap_or("-");
        let (agent, kind) = (code(part("agent_id")), plain(part("event")));
        format!("{} {agent} {kind} \\[{}\\]: {}", plain(part("ts")), plain(part("severity")), plain(part("summary")))
    });
    page.section("Active claims", &report.claims, claim);
    page.section("Plans", &report.plans, |plan| {
        let steps = format!("{}/{} steps", plan.steps_done, plan.steps_total);
        let checkpoint = plain(plan.checkpoint.as_deref().unwrap_or("-"));
        let summary = plain(plan.summary.as_deref().unwrap_or_default());
        format!("{} \\[{}\\] {steps}, checkpoint {checkpoint}: {summary}", code(&plan.plan_id), plain(&plan.status))
    });
    page.section("Planner Queue Warnings", &report.queue_warnings, |warning| {
        let (plan, queue) = (code(&warning.plan_id), code(&warning.queue_ref));
        format!("{plan} \\[{}\\] ← {queue}: {}", plain(warning.issue), plain(&warning.message))
    });
    page.section("Plan Validation Issues", &report.plan_issues, |issue| {
        let errors: Vec<String> = issue.errors.iter().map(|error| format!("\n  - {}", plain(error))).collect();
        format!("{}{}", code(&issue.plan), errors.concat())
    });
    page.section("Unreadable files", &report.damaged, |damaged| {
        format!("{}: {}", code(&damaged.path), plain(&damaged.why))
    });
    page.authenticity(report.authenticity.as_ref());
    page.tasks(&report.tasks);
    page.lines.join("\n") + "\n"
}

fn plain(text: &str) -> String {
    text::markdown(&text::clip(text, LONGEST))
}

/// A name or a path as code; what is neither stays text.
fn code(text: &str) -> String {
    let is_path = |text: &str| text.split('/').all(|part| names::is_id(part) || part.starts_with('_'));
    if is_path(text) && !text.contains('`') { format!("`{}`", text::safe(text)) } else { plain(text) }
}

/// A text with a command to copy, as code where that is possible.
fn quoted(text: &str) -> String {
    if text.contains('`') { plain(text) } else { format!("`{}`", text::clip(&text::safe(text), LONGEST)) }
}

fn claim(claim: &LiveClaim) -> String {
    let part = |text: &Option<String>| text.as_deref().map_or("-".to_owned(), code);
    let plan = claim.plan_id.as_deref().map(|plan| format!(", plan {}", code(plan))).unwrap_or_default();
    let lease = claim.lease_expires_at.map(|at| format!(", lease until {at}")).unwrap_or_default();
    let status = plain(claim.status.as_deref().unwrap_or("-"));
    format!(
        "{}: {} \\[{status}\\] on {}{plan}{lease}",
        code(&claim.task_id),
        part(&claim.agent_id),
        part(&claim.branch)
    )
}

struct Page {
    lines: Vec<String>,
}

impl Page {
    fn line(&mut self, line: impl Into<String>) {
        self.lines.push(line.into());
    }

    fn section<T>(&mut self, title: &str, entries: &[T], line: impl Fn(&T) -> String) {
        self.line(format!("\n## {title}\n"));
        if entries.is_empty() {
            self.line("- none");
        }
        self.lines.extend(entries.iter().take(SHOWN).map(|entry| format!("- {}", line(entry))));
        if let Some(more) = entries.len().checked_sub(SHOWN).filter(|more| *more > 0) {
            self.line(format!("- and {more} more"));
        }
    }

    fn heartbeat(&mut self, heartbeat: &Map<String, Value>) {
        let empty = Vec::new();
        let list = |value: Option<&Value>| value.and_then(Value::as_array).unwrap_or(&empty).clone();
        let entries = |state: &str| list(heartbeat.get("manager").and_then(|manager| manager.get(state)));
        let mut found = Vec::new();
        for state in ["active", "stale", "missing"] {
            for manager in entries(state) {
                let seen = manager["last_seen"].as_str().map(|at| format!(", last seen {at}")).unwrap_or_default();
                let data = manager["meta"].as_object().filter(|meta| meta.contains_key("shift"));
                let shift =
                    data.and_then(|meta| meta["shift"].as_str()).map(|shift| format!(", shift={}", plain(shift)));
                let agent = code(manager["agent_id"].as_str().unwrap_or("-"));
                found.push(format!("manager {agent}: {state}{seen}{}", shift.unwrap_or_default()));
            }
        }
        for idle in list(heartbeat.get("agent_idle")) {
            let tasks = idle["tasks"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let tasks: Vec<String> = tasks.take(SHOWN).map(code).collect();
            let seen = idle["last_activity"].as_str().unwrap_or("never");
            let agent = code(idle["agent_id"].as_str().unwrap_or("-"));
            found.push(format!("agent {agent}: idle, last sign {seen}, holds {}", tasks.join(", ")));
        }
        self.section("Heartbeats", &found, Clone::clone);
    }

    fn authenticity(&mut self, found: Option<&Value>) {
        let Some(found) = found else { return };
        let number = |value: &Value| value.as_f64().map_or("n/a".to_owned(), |number| format!("{number:.3}"));
        self.line("\n## External Authenticity\n");
        self.line(format!("- Overall adjusted trust: {}", number(&found["overall_avg_trust"])));
        for tier in found["tiers"].as_array().into_iter().flatten() {
            let name = plain(tier["tier"].as_str().unwrap_or("-"));
            let (feeds, average) = (&tier["feed_count"], number(&tier["avg_adjusted_trust"]));
            self.line(format!("- {name}: {} feeds, average {average}", plain(&feeds.to_string())));
        }
        for feed in found["attention_feeds"].as_array().into_iter().flatten() {
            let name = feed.as_str().or_else(|| feed["feed_id"].as_str()).unwrap_or("-");
            self.line(format!("- needs attention: {}", plain(name)));
        }
    }

    fn tasks(&mut self, tasks: &[TaskNote]) {
        self.line("\n## Tasks");
        for task in tasks {
            self.task(task);
        }
    }

    fn task(&mut self, task: &TaskNote) {
        let title = task.title.as_deref().map(|title| format!(" — {}", plain(title))).unwrap_or_default();
        self.line(format!("\n### {}{title}\n", code(&task.task_id)));
        let or_none = |text: &Option<String>| plain(text.as_deref().unwrap_or("n/a"));
        if task.status.is_some() || task.role.is_some() {
            let (role, priority, status) = (or_none(&task.role), or_none(&task.priority), or_none(&task.status));
            self.line(format!("- Role: {role} | Priority: {priority} | Status: {status}"));
        }
        for (label, value) in [("Plan", &task.plan_id), ("Branch", &task.branch)] {
            self.lines.extend(value.as_ref().map(|value| format!("- {label}: {}", code(value))));
        }
        if !task.receipts.is_empty() {
            let receipts: Vec<String> = task.receipts.iter().map(|receipt| code(receipt)).collect();
            self.line(format!("- Receipts: {}", receipts.join(", ")));
        }
        let part = |map: &Map<String, Value>, key: &str| map.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
        if let Some(given) = &task.assignment {
            let note = given.get("note").or(given.get("notes")).and_then(Value::as_str);
            let note = note.map(|note| format!(" (note: {})", plain(note))).unwrap_or_default();
            let (engineer, at) = (code(&part(given, "engineer")), plain(&part(given, "assigned_at")));
            self.line(format!("- Assigned to {engineer} at {at}{note}"));
        }
        if let Some(claim) = &task.claim {
            let (agent, status, branch) = (part(claim, "agent_id"), part(claim, "status"), part(claim, "branch"));
            self.line(format!("- Current claim: {} \\[{}\\] → {}", code(&agent), plain(&status), code(&branch)));
        }
        for message in &task.messages {
            let (ts, from, summary) = (part(message, "ts"), part(message, "from"), part(message, "summary"));
            self.line(format!("- Message {} {}: {}", plain(&ts), code(&from), plain(&summary)));
        }
        self.lines.extend(task.notes.as_ref().map(|notes| format!("- Notes: {}", plain(notes))));
    }
}
