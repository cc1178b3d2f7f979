//! The paths that seats are editing, as the hooks of their agents told it last.
//!
//! A hint for people and other seats, on this machine only. No decision about a claim depends on it, so it is not
//! synced, and a file that cannot be read counts as empty.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::lock::FileLock;
use crate::base::{Result, Stamp, files, json, names};
use crate::hub::Hub;

/// How long an edited path is shown.
pub const RECENT: Duration = Duration::from_secs(3600);
/// How many paths are kept for each seat: the newest.
const MAX: usize = 100;
/// How long to wait for another hook of this seat; each holds the lock for one small write.
const WAIT: Duration = Duration::from_secs(2);
const FOLDER: &str = "editing";

/// A path that an agent changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Edit {
    /// Relative to the worktree.
    pub path: String,
    pub worktree: PathBuf,
    pub at: Stamp,
    /// The agent session, or the subagent's.
    pub session: String,
    /// The task that the seat held for it, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task: Option<String>,
}

/// Adds edits of a seat. A path that was edited before moves to the end.
pub fn add(hub: &Hub, agent: &str, edits: &[Edit]) -> Result<()> {
    let file = file(hub, names::check_id("agent", agent)?);
    files::create_parent(&file)?;
    let _lock = FileLock::acquire(&hub.local("locks/editing.lock"), WAIT, "lock.wait", "note what is edited")?;
    let mut known = read(&file);
    known.retain(|old| !edits.iter().any(|new| new.path == old.path && new.worktree == old.worktree));
    known.extend(edits.iter().cloned());
    known.drain(..known.len().saturating_sub(MAX));
    files::replace_unsynced(&file, json::compact(&known).as_bytes())
}

/// What a seat edited, oldest first.
pub fn of(hub: &Hub, agent: &str) -> Vec<Edit> {
    if names::is_id(agent) { read(&file(hub, agent)) } else { Vec::new() }
}

/// What every seat edited within [`RECENT`], newest first.
pub fn recent(hub: &Hub) -> BTreeMap<String, Vec<Edit>> {
    let now = hub.now();
    let entries = fs::read_dir(hub.local(FOLDER)).into_iter().flatten().flatten();
    let seats = entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".json")?.to_owned()));
    let edits = seats.map(|seat| {
        let mut edits = of(hub, &seat);
        edits.retain(|edit| now.since(edit.at) <= RECENT);
        edits.reverse();
        (seat, edits)
    });
    edits.filter(|(_, edits)| !edits.is_empty()).collect()
}

/// What was edited for each task within [`RECENT`], for people.
pub fn by_task(hub: &Hub) -> HashMap<String, String> {
    let mut edits: HashMap<String, Vec<Edit>> = HashMap::new();
    for edit in recent(hub).into_values().flatten() {
        if let Some(task) = &edit.task {
            edits.entry(task.clone()).or_default().push(edit);
        }
    }
    edits.into_iter().map(|(task, edits)| (task, describe(&edits))).collect()
}

/// Edited paths for people: `src/a.rs, src/b.rs and 3 more`.
pub fn describe<'a>(edits: impl IntoIterator<Item = &'a Edit>) -> String {
    const SHOWN: usize = 3;
    let mut paths: Vec<&str> = Vec::new();
    for edit in edits {
        if !paths.contains(&edit.path.as_str()) {
            paths.push(&edit.path);
        }
    }
    let first = paths.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match paths.len().saturating_sub(SHOWN) {
        0 => first,
        more => format!("{first} and {more} more"),
    }
}

fn file(hub: &Hub, agent: &str) -> PathBuf {
    hub.local(FOLDER).join(format!("{agent}.json"))
}

fn read(file: &std::path::Path) -> Vec<Edit> {
    let bytes = files::read(file, files::MAX_DOCUMENT).ok().flatten().unwrap_or_default();
    serde_json::from_slice(&bytes).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::repository;
    use super::*;
    use crate::base::Clock;

    #[test]
    fn the_newest_edits_of_each_seat_are_kept_and_shown_for_an_hour() {
        let (_dir, mut hub) = repository();
        let at = |minute: i64| Stamp::from_unix(1_800_000_000 + minute * 60);
        let edit = |path: &str, minute| Edit {
            path: path.into(),
            worktree: "/w".into(),
            at: at(minute),
            session: "s".into(),
            task: None,
        };
        add(&hub, "a", &[edit("x", 0), edit("y", 1)]).unwrap();
        add(&hub, "a", &[edit("x", 2)]).unwrap();
        let many: Vec<_> = (0..MAX + 5).map(|n| edit(&format!("f{n}"), 30)).collect();
        add(&hub, "b", &many).unwrap();
        fs::write(hub.local("editing/c.json"), "torn").unwrap();
        let paths = |edits: &[Edit]| edits.iter().map(|edit| edit.path.clone()).collect::<Vec<_>>();
        assert_eq!(paths(&of(&hub, "a")), ["y", "x"]);
        assert_eq!((of(&hub, "b").len(), of(&hub, "b")[0].path.as_str()), (MAX, "f5"));
        hub.clock = Clock::Fixed(at(61));
        let shown = recent(&hub);
        assert_eq!(
            (shown.keys().cloned().collect::<Vec<_>>(), describe(&shown["a"])),
            (vec!["a".into(), "b".into()], "x, y".into())
        );
        assert_eq!(describe(&shown["b"]), "f104, f103, f102 and 97 more");
        hub.clock = Clock::Fixed(at(63));
        assert_eq!(recent(&hub).keys().collect::<Vec<_>>(), ["b"]);
    }
}
