//! The ledger of decisions: the rows of the playbook's `_report/ledger.csv`, and the records (the playbook:
//! consensus.ledger).

use serde_json::{Map, Value, json};

use super::records::{self, KIND, Record};
use crate::base::{Refusal, Result, Stamp, files, json, text};
use crate::hub::Hub;
use crate::model;

/// The playbook's ledger; other tools write it.
pub const CSV: &str = "_report/ledger.csv";

/// A row: the fields as they stand, and where.
#[derive(Clone, Debug)]
pub struct Row {
    pub raw: Map<String, Value>,
    /// `_report/ledger.csv:3`.
    pub source: String,
}

impl Row {
    fn field(&self, keys: &[&str]) -> Option<&str> {
        keys.iter().find_map(|key| model::text(&self.raw, key))
    }

    pub fn at(&self) -> Option<Stamp> {
        self.field(&["decision_ts", "batch_ts", "timestamp", "ts"]).and_then(Stamp::parse)
    }

    pub fn decision(&self) -> Option<&str> {
        self.field(&["decision_id", "id", "batch_ts"])
    }

    pub fn agent(&self) -> Option<&str> {
        self.field(&["agent", "agent_id", "owner", "assignee"])
    }

    pub fn summary(&self) -> Option<&str> {
        self.field(&["summary", "notes"])
    }

    pub fn receipts(&self) -> Vec<&str> {
        model::texts(&self.raw, "receipts")
    }

    /// The row as an exported line: its fields, `kind` and `source`.
    pub fn document(&self) -> Value {
        let mut map = Map::from_iter([(KIND.to_owned(), json!("ledger_row"))]);
        map.extend(self.raw.iter().filter(|(key, _)| *key != KIND).map(|(key, value)| (key.clone(), value.clone())));
        map.insert("source".into(), json!(self.source));
        Value::Object(map)
    }
}

/// Which rows are wanted; an empty list wants all.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    pub decisions: Vec<String>,
    pub agents: Vec<String>,
    /// Rows without a time are older than nothing and stay.
    pub since: Option<Stamp>,
    /// The last so many; 0: all.
    pub limit: usize,
}

impl Filter {
    fn wants(&self, row: &Row) -> bool {
        let any = |wanted: &[String], keys: &[&str]| {
            let values: Vec<&str> = keys.iter().filter_map(|key| model::text(&row.raw, key)).collect();
            wanted.is_empty() || wanted.iter().any(|wanted| values.contains(&wanted.as_str()))
        };
        let is_late = self.since.is_none_or(|since| row.at().is_none_or(|at| at >= since));
        any(&self.decisions, &["decision_id", "batch_ts", "id"])
            && any(&self.agents, &["agent", "agent_id", "owner", "assignee"])
            && is_late
    }
}

/// The wanted rows, oldest first.
///
/// # Errors
/// `ledger.unreadable` (exit 1) when the CSV is none; when a record cannot be read.
pub fn rows(hub: &Hub, filter: &Filter) -> Result<Vec<Row>> {
    let mut rows = from_csv(hub)?;
    let of = |record: Record| Row { source: format!("{}:{}", record.path, record.line), raw: record.raw };
    rows.extend(records::all(hub)?.into_iter().map(of));
    rows.sort_by_key(Row::at);
    rows.retain(|row| filter.wants(row));
    let surplus = if filter.limit == 0 { 0 } else { rows.len().saturating_sub(filter.limit) };
    rows.drain(..surplus);
    Ok(rows)
}

/// All values are text, as in the playbook.
fn from_csv(hub: &Hub) -> Result<Vec<Row>> {
    let Some(bytes) = files::read(&hub.path(CSV)?, files::MAX_DOCUMENT)? else { return Ok(Vec::new()) };
    let unreadable = |e: csv::Error| {
        Refusal::guard("ledger.unreadable", format!("{CSV} is not CSV"))
            .because(text::safe(&e.to_string()))
            .next("correct it; its earlier states: git log -- _report/ledger.csv")
    };
    let mut reader = csv::ReaderBuilder::new().flexible(true).from_reader(bytes.as_slice());
    let head = reader.headers().map_err(unreadable)?.clone();
    let mut rows = Vec::new();
    for found in reader.records() {
        let found = found.map_err(unreadable)?;
        let line = found.position().map_or(0, csv::Position::line);
        let fields = head.iter().zip(&found).map(|(key, value)| (key.trim().to_owned(), json!(value)));
        rows.push(Row { raw: fields.collect(), source: format!("{CSV}:{line}") });
    }
    Ok(rows)
}

/// The rows as JSON lines.
pub fn to_jsonl(rows: &[Row]) -> String {
    rows.iter().map(|row| json::compact(&row.document()) + "\n").collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(fields: &[(&str, &str)]) -> Row {
        Row {
            raw: fields.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect(),
            source: String::new(),
        }
    }

    #[test]
    fn a_filter_matches_the_playbooks_columns() {
        let (batch, record) = (
            row(&[("batch_ts", "20250918T010000Z"), ("notes", "second")]),
            row(&[("decision_id", "D-1"), ("agent_id", "a"), ("ts", "2026-01-05T10:00:00Z")]),
        );
        let wants = |filter: &Filter| [filter.wants(&batch), filter.wants(&record)];
        let of = |text: &str| vec![text.to_owned()];
        assert_eq!(wants(&Filter::default()), [true, true]);
        assert_eq!(wants(&Filter { decisions: of("20250918T010000Z"), ..Filter::default() }), [true, false]);
        assert_eq!(wants(&Filter { decisions: of("D-1"), ..Filter::default() }), [false, true]);
        assert_eq!(wants(&Filter { agents: of("a"), ..Filter::default() }), [false, true], "no column, no match");
        let since = Stamp::parse("2025-12-01T00:00:00Z");
        assert_eq!(wants(&Filter { since, ..Filter::default() }), [false, true]);
        assert_eq!((batch.decision(), batch.summary()), (Some("20250918T010000Z"), Some("second")));
    }
}
