//! The records of decisions, `_report/consensus/*.jsonl`: one line each, `decision_id`, `summary`, `agent_id`, `event`,
//! `ts`, `receipts`?, `meta`?.

use std::fs;

use serde_json::{Map, Value, json};

use crate::base::{Result, Stamp, json, jsonl};
use crate::hub::Hub;
use crate::model::{text, texts};

/// The folder of records, and of the files that `consensus ledger --output` writes.
pub const FOLDER: &str = "_report/consensus";
/// The key that tells a row of an exported ledger from a record.
pub(super) const KIND: &str = "kind";
/// The decisions that weekly reviews close.
pub const WEEKLY: &str = "WEEKLY-";

/// Whether an event, or a record of that kind, settles a decision; any other one only touches it.
pub fn settles(kind: &str) -> bool {
    ["consensus", "complete", "release", "closed"].contains(&kind)
}

/// A record as found.
#[derive(Clone, Debug)]
pub struct Record {
    pub raw: Map<String, Value>,
    /// Relative to the hub.
    pub path: String,
    pub line: u64,
}

impl Record {
    pub fn decision(&self) -> &str {
        text(&self.raw, "decision_id").unwrap_or_default()
    }

    pub fn at(&self) -> Option<Stamp> {
        text(&self.raw, "ts").and_then(Stamp::parse)
    }

    pub fn event(&self) -> &str {
        text(&self.raw, "event").unwrap_or("consensus")
    }

    pub fn receipts(&self) -> Vec<&str> {
        texts(&self.raw, "receipts")
    }
}

/// A record to be written.
#[derive(Clone, Debug, serde::Serialize)]
pub struct NewRecord {
    pub decision_id: String,
    pub summary: String,
    pub event: String,
    pub receipts: Vec<String>,
    pub meta: Map<String, Value>,
}

impl NewRecord {
    /// The line, with its newline (the playbook: consensus.receipts).
    pub fn line(&self, agent: &str, ts: Stamp) -> String {
        let mut map = Map::new();
        let fields = [("decision_id", &*self.decision_id), ("summary", &self.summary), ("agent_id", agent)];
        map.extend(fields.map(|(key, value)| (key.to_owned(), json!(value))));
        map.insert("event".into(), json!(self.event));
        map.insert("ts".into(), json!(ts));
        if !self.receipts.is_empty() {
            map.insert("receipts".into(), json!(self.receipts));
        }
        if !self.meta.is_empty() {
            map.insert("meta".into(), json!(self.meta));
        }
        json::compact(&map) + "\n"
    }

    /// Where its file begins: `_report/consensus/<decision>-2026-01-05T100000Z`.
    pub fn stem(&self, ts: Stamp) -> String {
        format!("{FOLDER}/{}-{}", self.decision_id, ts.to_string().replace(':', ""))
    }
}

/// Every record, by time. Other lines of the folder, such as exported ledgers, are left out.
///
/// # Errors
/// When a file cannot be read.
pub fn all(hub: &Hub) -> Result<Vec<Record>> {
    let entries = fs::read_dir(hub.root.join(FOLDER)).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut paths: Vec<String> =
        names.filter(|name| name.ends_with(".jsonl")).map(|name| format!("{FOLDER}/{name}")).collect();
    paths.sort();
    let mut found = Vec::new();
    for path in paths {
        jsonl::for_each_line(&hub.path(&path)?, 0, |line, _, bytes| {
            let raw = serde_json::from_slice::<Map<String, Value>>(bytes).unwrap_or_default();
            if text(&raw, "decision_id").is_some() && !raw.contains_key(KIND) {
                found.push(Record { raw, path: path.clone(), line });
            }
            Ok(true)
        })?;
    }
    found.sort_by_key(Record::at);
    Ok(found)
}
