//! A line of the event log.
//!
//! `id` is the first 16 hex digits of the SHA-256 of the line's bytes before `,"id":`; `prev` is the
//! same agent's previous id. Lines that other tools wrote have neither: they are "unchained".

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::base::{Stamp, digest, json};

/// A review of a task. A seat that is not its author's may write it, and says so under [`REVIEWER`].
pub const AUDIT: &str = "audit";
/// The key of an audit's `meta` that names the reviewing seat.
pub const REVIEWER: &str = "reviewer";

/// The task or plan that it names is complete.
pub const COMPLETE: &str = "complete";
/// The claim of the task that it names has ended.
pub const RELEASE: &str = "release";

/// The kinds that need a claim of the task that they name (the playbook: bus_event).
pub const CLAIM_BOUND: [&str; 6] = ["status", COMPLETE, "proposal", "pr_opened", AUDIT, RELEASE];

/// The known kinds; other kinds are allowed.
pub const KNOWN: [&str; 8] = ["status", COMPLETE, "proposal", "pr_opened", AUDIT, RELEASE, "observation", "alert"];

/// The fields that no extra may overwrite.
pub const CORE: [&str; 13] = [
    "ts", "agent_id", "event", "summary", "task_id", "plan_id", "branch", "pr", "receipts", "severity", "meta", "prev",
    "id",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, schemars::JsonSchema)]
pub enum Severity {
    Low,
    Medium,
    High,
}

impl Severity {
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Low, Self::Medium, Self::High].into_iter().find(|s| s.as_str().eq_ignore_ascii_case(text))
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// An event to be written. The store fills in `prev`.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Event {
    pub agent_id: String,
    pub event: String,
    pub summary: String,
    pub task_id: Option<String>,
    pub plan_id: Option<String>,
    pub branch: Option<String>,
    pub pr: Option<String>,
    pub receipts: Vec<String>,
    pub severity: Option<Severity>,
    pub meta: Map<String, Value>,
}

impl Event {
    pub fn new(agent_id: &str, event: &str, summary: impl Into<String>) -> Self {
        Self { agent_id: agent_id.into(), event: event.into(), summary: summary.into(), ..Self::default() }
    }

    #[must_use]
    pub fn on_task(mut self, task_id: &str) -> Self {
        self.task_id = Some(task_id.to_owned());
        self
    }

    #[must_use]
    pub fn meta(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.meta.insert(key.to_owned(), value.into());
        self
    }

    /// The line (with its newline) and its id.
    pub fn line(&self, ts: Stamp, prev: Option<&str>) -> (Vec<u8>, String) {
        let mut map = Map::new();
        map.insert("ts".into(), json!(ts));
        map.insert("agent_id".into(), json!(self.agent_id));
        map.insert("event".into(), json!(self.event));
        map.insert("summary".into(), json!(self.summary));
        let optional =
            [("task_id", &self.task_id), ("plan_id", &self.plan_id), ("branch", &self.branch), ("pr", &self.pr)];
        for (key, value) in optional {
            if let Some(value) = value {
                map.insert(key.into(), json!(value));
            }
        }
        if !self.receipts.is_empty() {
            map.insert("receipts".into(), json!(self.receipts));
        }
        if let Some(severity) = self.severity {
            map.insert("severity".into(), json!(severity.as_str()));
        }
        if !self.meta.is_empty() {
            map.insert("meta".into(), json!(self.meta));
        }
        if let Some(prev) = prev {
            map.insert("prev".into(), json!(prev));
        }
        seal(&map)
    }
}

/// The fields of a line, for its JSON Schema. Lines of other tools have more, and no `prev` and `id`.
#[derive(Debug, schemars::JsonSchema)]
pub struct EventFields {
    pub ts: Stamp,
    /// The author: a seat or `operator`.
    pub agent_id: String,
    /// The kind, such as `status` or `complete`.
    pub event: String,
    pub summary: Option<String>,
    pub task_id: Option<String>,
    pub plan_id: Option<String>,
    pub branch: Option<String>,
    /// The pull request.
    pub pr: Option<Value>,
    /// Paths relative to the repository.
    #[schemars(default)]
    pub receipts: Vec<String>,
    /// `low`, `medium` or `high`.
    pub severity: Option<String>,
    #[schemars(default)]
    pub meta: Map<String, Value>,
    /// The same agent's previous `id`.
    pub prev: Option<String>,
    /// The first 16 hex digits of the SHA-256 of the line before `,"id":`.
    pub id: Option<String>,
}

/// Adds the id to a line. Used by every chained log (events, ledger, decisions).
pub fn seal(map: &Map<String, Value>) -> (Vec<u8>, String) {
    let mut line = json::compact(map).into_bytes();
    line.pop();
    let id = digest::sha256(&line)[..16].to_owned();
    line.extend_from_slice(format!(",\"id\":\"{id}\"}}\n").as_bytes());
    (line, id)
}

/// Whether a line (without newline) has a teof id, and whether it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seal<'a> {
    /// No `id` at the end: another tool's line.
    Unchained,
    Right(&'a str),
    /// The id does not match the bytes: the line was altered.
    Wrong(&'a str),
}

/// Checks the id of a line (without newline) against its bytes.
pub fn check_seal(line: &[u8]) -> Seal<'_> {
    // `,"id":"` + 16 digits + `"}`
    const TAIL: usize = 7 + 16 + 2;
    let Some(at) = line.len().checked_sub(TAIL) else { return Seal::Unchained };
    let (body, tail) = line.split_at(at);
    let hex = &tail[7..23];
    if !tail.starts_with(b",\"id\":\"") || !tail.ends_with(b"\"}") || !hex.iter().all(u8::is_ascii_hexdigit) {
        return Seal::Unchained;
    }
    let Ok(id) = std::str::from_utf8(hex) else { return Seal::Unchained };
    if digest::sha256(body)[..16] == *id { Seal::Right(id) } else { Seal::Wrong(id) }
}

/// The fields of a line that readers need, borrowed; `None` when absent or of another type.
#[derive(Debug, Default, Deserialize)]
pub struct EventView<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub ts: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub agent_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub event: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub summary: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub task_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub plan_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub severity: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub prev: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    pub id: Option<Cow<'a, str>>,
}

impl<'a> EventView<'a> {
    /// The view of one line; an error means that the line is not a JSON object.
    pub fn parse(line: &'a [u8]) -> Result<Self, serde_json::Error> {
        // A derived reader would accept an array as the fields in order.
        match line.trim_ascii_start().first() {
            Some(b'{') => serde_json::from_slice(line),
            _ => Err(serde::de::Error::custom("not a JSON object")),
        }
    }

    pub fn at(&self) -> Option<Stamp> {
        self.ts.as_deref().and_then(Stamp::parse)
    }
}

/// Reads a string, borrowed where it can be; any other type counts as absent.
pub fn lenient<'de, D: serde::Deserializer<'de>>(from: D) -> Result<Option<Cow<'de, str>>, D::Error> {
    struct Text;
    impl<'de> serde::de::Visitor<'de> for Text {
        type Value = Option<Cow<'de, str>>;
        fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            f.write_str("anything")
        }
        fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Borrowed(text)))
        }
        fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(Cow::Owned(text.to_owned())))
        }
        fn visit_string<E>(self, text: String) -> Result<Self::Value, E> {
            Ok(Some(Cow::Owned(text)))
        }
        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok(None)
        }
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            while seq.next_element::<serde::de::IgnoredAny>()?.is_some() {}
            Ok(None)
        }
        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            while map.next_entry::<serde::de::IgnoredAny, serde::de::IgnoredAny>()?.is_some() {}
            Ok(None)
        }
    }
    from.deserialize_any(Text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_proves_itself_by_its_id() {
        let ts = Stamp::parse("2026-01-05T10:00:00Z").unwrap();
        let (line, id) = Event::new("codex-1", "status", "half\nway").on_task("A").line(ts, Some("0123456789abcdef"));
        let line = line.strip_suffix(b"\n").unwrap();
        assert!(line.starts_with(br#"{"ts":"2026-01-05T10:00:00Z","agent_id":"codex-1","event":"status","summary":"half\nway","task_id":"A","prev":"0123456789abcdef","id":""#));
        assert_eq!(check_seal(line), Seal::Right(&id));
        let altered = String::from_utf8_lossy(line).replace("half", "Half");
        assert_eq!(check_seal(altered.as_bytes()), Seal::Wrong(&id));
        assert_eq!(check_seal(br#"{"ts":"2025-09-17T23:17:52Z","event":"handshake"}"#), Seal::Unchained);
    }

    #[test]
    fn a_view_ignores_wrong_types_but_not_wrong_shapes() {
        let view =
            EventView::parse(br#"{"ts":1,"agent_id":["x"],"event":{"a":null},"summary":"s","more":{}}"#).unwrap();
        assert_eq!((view.ts, view.agent_id, view.event), (None, None, None));
        assert_eq!(view.summary.as_deref(), Some("s"));
        assert!(EventView::parse(b"[1]").is_err());
        assert!(EventView::parse(b"{\"ts\":\"\xff\"}").is_err());
    }
}
