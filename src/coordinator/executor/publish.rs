//! Publishes the coordinator's projection, metrics, notes and decisions for others.
//!
//! Written, never read back: the machine-local state decides.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::projection::Projection;
use crate::base::{Result, Stamp, files, json, jsonl, text};
use crate::bus::{events, messages};
use crate::coordinator::metrics::Metrics;
use crate::coordinator::state::input::{Decision, Reply};
use crate::coordinator::state::{Job, State};
use crate::hub::{Hub, Transaction, paths};
use crate::model::event::{Event, Severity, seal};
use crate::model::message::{MANAGER_REPORT, Message};
use crate::ops::session::boot;

/// The metrics, relative to the hub.
pub const SUMMARY: &str = "_report/usage/autonomy-coordinator/summary.json";

/// How many lines from the end are searched for a repeated note or decision.
const SEARCHED: usize = 500;

/// The projection of a manager's coordinator, relative to the hub.
pub fn projection(manager: &str) -> String {
    format!("{}/state.json", paths::agent(manager))
}

/// A manager's decision log, relative to the hub.
pub fn decisions(manager: &str) -> String {
    format!("{}/decisions.jsonl", paths::agent(manager))
}

/// A published file.
#[derive(Serialize)]
struct Published<'a> {
    version: u32,
    generated_at: Stamp,
    #[serde(flatten)]
    content: &'a Map<String, Value>,
}

/// What of such a file says when it was written.
#[derive(Deserialize)]
struct Written {
    generated_at: Stamp,
}

/// Writes projection and metrics if they changed.
pub fn project(hub: &Hub, manager: &str, state: &State, metrics: &Metrics) -> Result<()> {
    let mut transaction = Transaction::new("publish the coordinator's state");
    for (path, content) in [
        (projection(manager), object(json!(Projection::of(state, manager)))),
        (SUMMARY.into(), summary(state, metrics)),
    ] {
        let document = |at: Stamp| json::pretty(&Published { version: 1, generated_at: at, content: &content }) + "\n";
        // Compared as text: a number with a fraction may differ after reading it again.
        let old = files::read(&hub.path(&path)?, files::MAX_DOCUMENT).ok().flatten().unwrap_or_default();
        let written_at = serde_json::from_slice::<Written>(&old).ok().map(|old| old.generated_at);
        if written_at.is_some_and(|at| document(at).as_bytes() == old) {
            continue;
        }
        let text = document(hub.now());
        transaction.replace(path, text);
    }
    match transaction.is_empty() {
        true => Ok(()),
        false => hub.lock("publish the coordinator's state")?.commit(transaction),
    }
}

/// The design log: "active seats, successes, blocked operations".
fn summary(state: &State, metrics: &Metrics) -> Map<String, Value> {
    let totals = &state.totals;
    let active: BTreeSet<_> = state.live_jobs().filter(|job| job.takes_a_slot()).map(|job| &job.seat).collect();
    let mut seats: BTreeMap<&str, Map<String, Value>> = BTreeMap::new();
    for job in &state.jobs {
        let seat = seats.entry(&job.seat).or_default();
        let phase = job.phase.name();
        let count = seat.get(phase).and_then(Value::as_u64).unwrap_or(0);
        seat.insert(phase.to_owned(), json!(count + 1));
    }
    object(json!({
        "active_seats": active,
        "jobs": totals.chosen,
        "successes": totals.done,
        "blocked_operations": totals.blocked,
        "guard_refusals": totals.guard_refusals,
        "retries": totals.retries,
        "cancelled": totals.cancelled,
        "dropped": totals.dropped,
        "breaker_trips": totals.breaker_trips,
        "reworks": totals.reworks,
        "under_review": state.live_jobs().filter(|job| job.is_under_review()).count(),
        "spent": {
            "day": state.spent.day,
            "day_tokens": state.spent.today.tokens(),
            "day_cost_usd": state.spent.today.cost_usd,
            "total_tokens": state.spent.total.tokens(),
            "total_cost_usd": state.spent.total.cost_usd,
        },
        "waiting": {"queue": totals.queue_wait, "person": totals.person_wait},
        "recent_jobs_by_seat": seats,
        "recent": metrics,
    }))
}

/// Adds a line to `manager-report`, with an alert event when people must act.
pub fn note(
    hub: &Hub,
    manager: &str,
    id: u64,
    text: &str,
    job: Option<&Job>,
    alert: bool,
    check: bool,
) -> Result<Reply> {
    boot::renew(hub, manager)?;
    let summary = text::clip(&text::safe(text), 500);
    let mut message =
        Message::new(manager, "status", MANAGER_REPORT, &summary).meta("agent", manager).meta("action", id);
    let mut event = Event::new(manager, "alert", &summary).meta("action", id);
    event.severity = Some(Severity::High);
    if let Some(job) = job {
        message =
            message.meta("job", job.id.as_str()).meta("task", job.task.as_str()).meta("engineer", job.seat.as_str());
        event = event.on_task(&job.task).meta("job", job.id.as_str());
        event.plan_id.clone_from(&job.plan);
        message.receipts.extend(job.last.as_ref().and_then(|last| last.envelope.clone()));
        event.receipts.clone_from(&message.receipts);
    }
    let mut writer = hub.lock("report to the manager's channel")?;
    if check && is_there(hub, &paths::channel(MANAGER_REPORT), "/meta/action", id)? {
        return Ok(Reply::Done);
    }
    let mut transaction = Transaction::new("report to the manager's channel");
    messages::stage(&writer, &mut transaction, MANAGER_REPORT, &message)?;
    if alert {
        events::stage(&writer, &mut transaction, &event)?;
    }
    writer.commit(transaction)?;
    Ok(Reply::Done)
}

/// Adds a line to the decision log.
pub fn decide(hub: &Hub, manager: &str, id: u64, decision: &Decision, check: bool) -> Result<Reply> {
    let log = decisions(manager);
    let is_event = decision.decision == Decision::PREEMPTED;
    if is_event {
        boot::renew(hub, manager)?;
    }
    let mut writer = hub.lock("log a decision")?;
    if check && is_there(hub, &log, "/number", id)? {
        return Ok(Reply::Done);
    }
    let mut map = Map::from_iter([("ts".into(), json!(hub.now())), ("number".into(), json!(id))]);
    map.extend(object(json!(decision)));
    let (line, _) = seal(&map);
    let mut transaction = Transaction::new("log a decision");
    transaction.append(log, &line);
    if is_event {
        let mut event = Event::new(manager, Decision::PREEMPTED, text::clip(&text::safe(&decision.why), 500));
        event.task_id.clone_from(&decision.task);
        events::stage(&writer, &mut transaction, &event.meta("job", decision.job.as_deref().unwrap_or_default()))?;
    }
    writer.commit(transaction)?;
    Ok(Reply::Done)
}

/// Whether one of the last lines of a log belongs to this action.
fn is_there(hub: &Hub, log: &str, pointer: &str, id: u64) -> Result<bool> {
    let lines = jsonl::tail(&hub.path(log)?, SEARCHED)?;
    let number = |line: &Vec<u8>| serde_json::from_slice::<Value>(line).ok()?.pointer(pointer)?.as_u64();
    Ok(lines.iter().any(|line| number(line) == Some(id)))
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// The last entries of the decision log, for `coordinator explain`.
pub fn explain(hub: &Hub, manager: &str, task: Option<&str>, limit: usize) -> Result<Vec<Value>> {
    let mut found = Vec::new();
    jsonl::for_each_line_backwards(&hub.path(&decisions(manager))?, |line| {
        let Ok(value) = serde_json::from_slice::<Value>(line) else { return true };
        if task.is_none_or(|task| concerns(&value, task)) {
            found.push(value);
        }
        found.len() < limit
    })?;
    found.reverse();
    Ok(found)
}

fn concerns(decision: &Value, task: &str) -> bool {
    let is = |value: &Value, key: &str| value.get(key).and_then(Value::as_str) == Some(task);
    let skipped = decision.get("skipped").and_then(Value::as_array);
    is(decision, "task") || is(decision, "job") || skipped.is_some_and(|list| list.iter().any(|one| is(one, "task")))
}
