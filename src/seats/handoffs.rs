//! Dirty hand-offs: receipts of uncommitted changes that a seat found when it booted,
//! `_report/session/<id>/dirty-handoff/*.txt`.

use std::fs;

use serde::Serialize;

use super::session;
use crate::base::{Result, Stamp, files, text};
use crate::hub::{Hub, paths};

/// How many changes are shown of one.
const SHOWN: usize = 5;

/// The newest hand-off of a seat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Handoff {
    /// The seat that found the changes.
    pub agent_id: String,
    pub captured_at: Option<Stamp>,
    /// The receipt, relative to the hub.
    pub receipt: String,
    /// How many changes there were.
    pub pending_count: usize,
    /// The first of them, as git shows them; safe.
    pub status_preview: Vec<String>,
}

/// The newest hand-off of each seat, by seat.
///
/// # Errors
/// When a receipt cannot be read.
pub fn newest(hub: &Hub) -> Result<Vec<Handoff>> {
    let mut agents = session::agents(hub);
    agents.sort();
    let mut found = Vec::new();
    for agent in agents {
        let folder = format!("{}/dirty-handoff", paths::session(&agent));
        let entries = fs::read_dir(hub.path(&folder)?).into_iter().flatten().flatten();
        // The time is in the name.
        let newest =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.ends_with(".txt"));
        let Some(receipt) = newest.max().map(|name| format!("{folder}/{name}")) else { continue };
        let bytes = files::read(&hub.path(&receipt)?, files::MAX_DOCUMENT)?.unwrap_or_default();
        found.push(read(agent, receipt, &String::from_utf8_lossy(&bytes)));
    }
    Ok(found)
}

fn read(agent_id: String, receipt: String, content: &str) -> Handoff {
    let header =
        |key: &str| content.lines().find_map(|line| line.strip_prefix("# ")?.strip_prefix(key)?.strip_prefix('='));
    let changes = || content.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let stated = header("git_status_lines").and_then(|count| count.trim().parse().ok());
    Handoff {
        captured_at: header("captured_at").and_then(Stamp::parse),
        pending_count: stated.unwrap_or_else(|| changes().count()),
        status_preview: changes().take(SHOWN).map(|line| text::clip(&text::safe(line.trim()), 200)).collect(),
        agent_id,
        receipt,
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{repository, write};
    use super::*;

    #[test]
    fn the_newest_hand_off_of_a_seat_is_shown_with_its_first_changes() {
        let (_dir, hub) = repository();
        let at = |name: &str| format!("_report/session/a/dirty-handoff/{name}");
        write(&hub, &at("dirty-20260104T100000Z.txt"), "# dirty handoff\n M old\n");
        let text = "# dirty handoff\n# agent=a\n# captured_at=2026-01-05T10:00:00Z\n# git_status_lines=7\n\n M src/a\u{1b}\n?? b\n";
        write(&hub, &at("dirty-20260105T100000Z.txt"), text);
        write(&hub, "_report/session/b/seat.json", "{}");
        let found = newest(&hub).unwrap();
        assert_eq!(found.len(), 1);
        let Handoff { captured_at, receipt, pending_count, status_preview, .. } = &found[0];
        assert_eq!((*captured_at, *pending_count), (Stamp::parse("2026-01-05T10:00:00Z"), 7));
        assert_eq!(receipt, &at("dirty-20260105T100000Z.txt"));
        assert_eq!(status_preview[..], ["M src/a␛", "?? b"]);
    }
}
