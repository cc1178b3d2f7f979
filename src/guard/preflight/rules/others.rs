//! Checks the other documents that teof reads: backlog, seats, consent.

use std::collections::BTreeSet;

use serde_json::Value;

use super::documents::{Notes, object, shown};
use crate::base::names;
use crate::guard::Finding;
use crate::model;
use crate::model::backlog::ItemStatus;

/// Checks the backlog: items with a unique id and a known status.
pub fn backlog(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let raw = match object(path, bytes, "backlog.unreadable") {
        Ok(raw) => raw,
        Err(damaged) => return vec![damaged],
    };
    let mut notes = Notes::new(path, bytes);
    let Some(Value::Array(items)) = raw.get("items") else {
        notes.note("/items", "backlog.items", "items is missing or not an array", "use an array: \"items\": []");
        return notes.into_findings();
    };
    let mut seen = BTreeSet::new();
    for (i, item) in items.iter().enumerate() {
        let item = item.as_object();
        let id = item.and_then(|item| model::text(item, "id"));
        let name = id.map_or_else(|| format!("item number {}", i + 1), shown);
        if let Some(id) = id.filter(|id| !names::is_id(id)) {
            let message = format!("the id {} is not a valid task name", shown(id));
            let hint = "use letters, digits, '.', '_' and '-'";
            notes.warn(&format!("/items/{i}/id"), "backlog.item", message, hint);
        }
        if id.is_none() {
            notes.note(&format!("/items/{i}"), "backlog.item", format!("{name} has no id"), "give each item an id");
        } else if !seen.insert(id) {
            notes.note(&format!("/items/{i}/id"), "backlog.duplicate", format!("duplicate id {name}"), "rename one");
        }
        let status = item.and_then(|item| item.get("status"));
        if item.is_some() && status.and_then(Value::as_str).and_then(ItemStatus::parse).is_none() {
            let message = format!("{name} has no known status");
            let hint = "use pending, in_progress, blocked or done";
            match status {
                Some(_) => notes.note(&format!("/items/{i}/status"), "backlog.status", message, hint),
                // Other tools write such items, and none of them starts.
                None => notes.warn(&format!("/items/{i}"), "backlog.status", message, hint),
            }
        }
    }
    notes.into_findings()
}

/// Checks that a seat's manifest names the seat.
pub fn seat(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let raw = match object(path, bytes, "seat.unreadable") {
        Ok(raw) => raw,
        Err(damaged) => return vec![damaged],
    };
    let mut notes = Notes::new(path, bytes);
    if let Some(agent) = notes.need(&raw, "/agent_id", "seat.agent_id")
        && !names::is_id(agent)
    {
        let message = format!("agent_id {} is not a valid name", shown(agent));
        notes.note("/agent_id", "seat.agent_id", message, "use letters, digits, '.', '_' and '-'");
    }
    notes.into_findings()
}

/// Checks the types of the consent's flags. A wrong type counts as "no" when work is about to start.
pub fn consent(path: &str, bytes: &[u8]) -> Vec<Finding> {
    let raw = match object(path, bytes, "consent.unreadable") {
        Ok(raw) => raw,
        Err(damaged) => return vec![damaged],
    };
    let mut notes = Notes::new(path, bytes);
    let flags = [
        "/auto_enabled",
        "/continuous",
        "/require_execute",
        "/allow_apply",
        "/halt_on_attention_feeds",
        "/halt_on_ci_failure",
    ];
    for flag in flags {
        if raw.get(&flag[1..]).is_some_and(|value| !value.is_boolean()) {
            notes.note(flag, "consent.field", format!("{} is not true or false", &flag[1..]), "a person must set it");
        }
    }
    if raw.get("max_iterations").is_some_and(|value| !value.is_u64()) {
        notes.note("/max_iterations", "consent.field", "max_iterations is not a whole number", "a person must set it");
    }
    notes.into_findings()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn codes(found: Vec<Finding>) -> Vec<(String, u64)> {
        found.into_iter().map(|found| (found.code, found.line.unwrap())).collect()
    }

    #[test]
    fn damaged_documents_are_named_with_their_lines() {
        let text = b"{\"items\": [\n{\"id\": \"A\", \"status\": \"done\"},\n{\"id\": \"A\"},\n{\"id\": \"B\",\n \"status\": \"gone\"},\n7\n]}";
        let expected = [("backlog.duplicate", 3), ("backlog.status", 3), ("backlog.status", 5), ("backlog.item", 6)];
        assert_eq!(codes(backlog("b", text)), expected.map(|(code, line)| (code.to_owned(), line)));
        assert_eq!(codes(backlog("b", b"{}")), [("backlog.items".to_owned(), 1)]);
        assert_eq!(codes(seat("m", b"{\n\"agent_id\": \"../x\"}")), [("seat.agent_id".to_owned(), 2)]);
        assert_eq!(codes(consent("c", b"{\n\"auto_enabled\": \"yes\"}")), [("consent.field".to_owned(), 2)]);
        for rule in [backlog, seat, consent] {
            assert_eq!(rule("f", b"{\n\n<<<<<<< HEAD")[0].line, Some(3));
        }
    }
}
