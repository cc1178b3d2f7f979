//! One line for the review of a task by another seat.

use serde_json::{Map, Value};

use crate::model::event::REVIEWER;

/// `audit T-1 by codex-3: …`; not safe for a terminal yet.
pub fn line(event: &Map<String, Value>) -> String {
    let part = |key: &str| event.get(key).and_then(Value::as_str).unwrap_or_default();
    let reviewer = event.get("meta").and_then(|meta| meta.get(REVIEWER)).and_then(Value::as_str);
    format!("audit {} by {}: {}", part("task_id"), reviewer.unwrap_or(part("agent_id")), part("summary"))
}
