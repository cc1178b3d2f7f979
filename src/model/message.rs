//! A line of a channel: a task's, `manager-report`, or `agent-<id>`.

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::text;
use crate::base::{Stamp, json};

/// The channel for managers; it is not a task and needs no claim.
pub const MANAGER_REPORT: &str = "manager-report";

/// The types that need a claim of the task whose channel they go to (the playbook: bus_message).
pub const CLAIM_BOUND: [&str; 6] = ["status", "note", "request", "summary", "consensus", "proposal"];

/// The known types; other types are allowed.
pub const KNOWN: [&str; 11] = [
    "status",
    "note",
    "request",
    "summary",
    "consensus",
    "proposal",
    "assignment",
    "directive",
    "reminder",
    HOLD,
    LIFT,
];

/// Stops choice, release and merge of a task until [`LIFT`].
pub const HOLD: &str = "hold";
/// Lifts a [`HOLD`].
pub const LIFT: &str = "lift";

/// Whether a channel is a task's, and so may be guarded by its claim.
pub fn is_task_channel(channel: &str) -> bool {
    channel != MANAGER_REPORT && !channel.starts_with("agent-")
}

/// A message to be written.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Message {
    pub from: String,
    pub kind: String,
    pub task_id: String,
    pub summary: String,
    pub branch: Option<String>,
    pub meta: Map<String, Value>,
    pub receipts: Vec<String>,
    pub note: Option<String>,
    pub to: Option<String>,
}

impl Message {
    pub fn new(from: &str, kind: &str, task_id: &str, summary: impl Into<String>) -> Self {
        Self {
            from: from.into(),
            kind: kind.into(),
            task_id: task_id.into(),
            summary: summary.into(),
            ..Self::default()
        }
    }

    #[must_use]
    pub fn meta(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(key.to_owned(), value.into());
        self
    }

    /// The line, with its newline.
    pub fn line(&self, ts: Stamp) -> Vec<u8> {
        let mut map = Map::new();
        map.insert("ts".into(), json!(ts));
        map.insert("from".into(), json!(self.from));
        map.insert("type".into(), json!(self.kind));
        map.insert("task_id".into(), json!(self.task_id));
        map.insert("summary".into(), json!(self.summary));
        if let Some(branch) = &self.branch {
            map.insert("branch".into(), json!(branch));
        }
        if !self.meta.is_empty() {
            map.insert("meta".into(), json!(self.meta));
        }
        if !self.receipts.is_empty() {
            map.insert("receipts".into(), json!(self.receipts));
        }
        if let Some(note) = &self.note {
            map.insert("note".into(), json!(note));
        }
        if let Some(to) = &self.to {
            map.insert("to".into(), json!(to));
        }
        let mut line = json::compact(&map).into_bytes();
        line.push(b'\n');
        line
    }
}

/// The fields of a line, for its JSON Schema. Lines of other tools have more.
#[derive(Debug, schemars::JsonSchema)]
pub struct MessageFields {
    pub ts: Stamp,
    pub from: String,
    /// `status`, `note`, `request`, `directive`, `hold`, …
    #[schemars(rename = "type")]
    pub kind: String,
    /// The task, or the channel.
    pub task_id: Option<String>,
    pub summary: String,
    pub branch: Option<String>,
    #[schemars(default)]
    pub meta: Map<String, Value>,
    /// Paths relative to the repository.
    #[schemars(default)]
    pub receipts: Vec<String>,
    pub note: Option<String>,
    /// A role.
    pub to: Option<String>,
}

/// A line as found.
#[derive(Clone, Debug)]
pub struct MessageLine {
    pub raw: Map<String, Value>,
}

impl MessageLine {
    /// `None` when the line is not a JSON object.
    pub fn parse(line: &[u8]) -> Option<Self> {
        serde_json::from_slice(line).ok().map(|raw| Self { raw })
    }

    pub fn at(&self) -> Option<Stamp> {
        text(&self.raw, "ts").and_then(Stamp::parse)
    }

    pub fn from(&self) -> Option<&str> {
        text(&self.raw, "from")
    }

    pub fn kind(&self) -> Option<&str> {
        text(&self.raw, "type")
    }

    pub fn task_id(&self) -> Option<&str> {
        text(&self.raw, "task_id")
    }

    pub fn summary(&self) -> Option<&str> {
        text(&self.raw, "summary")
    }

    pub fn meta(&self, key: &str) -> Option<&Value> {
        self.raw.get("meta")?.get(key)
    }
}
