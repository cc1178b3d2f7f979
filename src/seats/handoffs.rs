//! Dirty hand-offs: receipts of uncommitted changes that a seat found when it booted, and what was decided about them,
//! `_report/session/<id>/dirty-handoff/`.

use std::fs;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::session;
use crate::base::{Result, Stamp, files, json, text};
use crate::hub::{Hub, paths};

/// How many changes of a receipt are kept for people, and how long each may be, in characters.
const PREVIEW: usize = 5;
const LINE: usize = 160;
/// In the names of decisions, between the receipt's and `.json`.
pub const DECISION: &str = ".decision";

/// A receipt of uncommitted changes.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// The seat that found them.
    pub seat: String,
    /// Relative to the hub.
    pub path: String,
    pub captured_at: Option<Stamp>,
    /// How many changes there were.
    pub changes: usize,
    /// The first of them, as git names them; safe.
    pub preview: Vec<String>,
    /// The latest decision.
    pub decision: Option<Decision>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// The changes are committed, or gone.
    Cleared,
    /// Another seat looks after them.
    Reassigned,
}

/// What was decided about a receipt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    pub version: u32,
    pub ts: Stamp,
    pub receipt: String,
    pub status: Status,
    /// The seat that looks after the changes now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    pub by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Receipt {
    /// Who looks after the changes; `None` once they are cleared.
    pub fn owner(&self) -> Option<&str> {
        match &self.decision {
            Some(Decision { status: Status::Cleared, .. }) => None,
            Some(Decision { to: Some(to), .. }) => Some(to),
            _ => Some(&self.seat),
        }
    }
}

/// Every receipt, by seat and oldest first. A decision that cannot be read is skipped with a warning: the changes are
/// pending again.
pub fn all(hub: &Hub) -> Result<Vec<Receipt>> {
    let mut seats = session::agents(hub);
    seats.sort();
    let mut found = Vec::new();
    for seat in seats {
        found.extend(of_seat(hub, &seat)?);
    }
    Ok(found)
}

fn of_seat(hub: &Hub, seat: &str) -> Result<Vec<Receipt>> {
    let folder = format!("{}/dirty-handoff", paths::session(seat));
    let entries = fs::read_dir(hub.path(&format!("{folder}/x"))?.with_file_name("")).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    // Of several decisions about one receipt the later has the longer name.
    names.sort_by(|a, b| (a.len(), a).cmp(&(b.len(), b)));
    let receipts = names.iter().filter_map(|name| name.strip_suffix(".txt"));
    receipts.map(|stem| read(hub, seat, &folder, stem, &names)).collect()
}

fn read(hub: &Hub, seat: &str, folder: &str, stem: &str, names: &[String]) -> Result<Receipt> {
    let path = format!("{folder}/{stem}.txt");
    let bytes = files::read(&hub.path(&path)?, files::MAX_DOCUMENT).ok().flatten().unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    let header =
        |key: &str| text.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix('='));
    let changes = || text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let stated = header("git_status_lines").and_then(|count| count.trim().parse().ok());
    let mut decisions: Vec<Decision> = Vec::new();
    let own = format!("{stem}{DECISION}");
    for name in names.iter().filter(|name| name.starts_with(&own) && name.ends_with(".json")) {
        let path = format!("{folder}/{name}");
        match json::read_object(&hub.path(&path)?).map(|raw| raw.map(Value::Object).map(serde_json::from_value)) {
            Ok(Some(Ok(decision))) => decisions.push(decision),
            Ok(Some(Err(e))) => tracing::warn!("skipping {path}: {e}"),
            Ok(None) => {}
            Err(e) => tracing::warn!("skipping {path}: {e:#}"),
        }
    }
    Ok(Receipt {
        seat: seat.to_owned(),
        captured_at: header("captured_at").and_then(Stamp::parse),
        changes: stated.unwrap_or_else(|| changes().count()),
        preview: changes().take(PREVIEW).map(|line| text::clip(&text::safe(line.trim_end()), LINE)).collect(),
        // Of those of one second the last counts.
        decision: decisions.into_iter().max_by_key(|decision| decision.ts),
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, write};
    use super::*;

    #[test]
    fn hand_offs_show_their_first_changes_and_who_looks_after_them() {
        let (_dir, hub) = repository();
        let at = |name: &str| format!("_report/session/a/dirty-handoff/{name}");
        write(&hub, &at("dirty-20260104T100000Z.txt"), "# dirty handoff\n M old\n");
        let text = "# dirty handoff\n# agent=a\n# captured_at=2026-01-05T10:00:00Z\n# git_status_lines=7\n\n M src/a\u{1b}\n?? b\n";
        write(&hub, &at("dirty-20260105T100000Z.txt"), text);
        let decision = |status: &str, ts: &str| {
            format!(
                "{{\"version\": 1, \"ts\": \"{ts}\", \"receipt\": \"x\", \"status\": \"{status}\", \"to\": \"b\", \"by\": \"m\"}}"
            )
        };
        write(&hub, &at("dirty-20260104T100000Z.decision.json"), &decision("reassigned", "2026-01-05T10:00:00Z"));
        write(&hub, "_report/session/b/seat.json", "{}");
        let found = all(&hub).unwrap();
        let [old, new] = &found[..] else { panic!("{found:?}") };
        assert_eq!((new.captured_at, new.changes), (Stamp::parse("2026-01-05T10:00:00Z"), 7));
        assert_eq!(new.path, at("dirty-20260105T100000Z.txt"));
        assert_eq!(new.preview[..], [" M src/a\u{241b}", "?? b"]);
        assert_eq!((old.changes, old.owner(), new.owner()), (1, Some("b"), Some("a")));
        write(&hub, &at("dirty-20260104T100000Z.decision-2.json"), &decision("cleared", "2026-01-05T11:00:00Z"));
        write(&hub, &at("dirty-20260105T100000Z.decision.json"), "{");
        let found = all(&hub).unwrap();
        assert_eq!((found[0].owner(), found[1].owner()), (None, Some("a")));
    }
}
