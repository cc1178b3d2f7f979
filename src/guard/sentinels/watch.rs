//! `scan --if-changed`: whether anything under the watched prefixes changed since the last scan (the playbook:
//! scan_trigger), and the findings of that scan.
//!
//! The last scan is stored in `cache/scan.json`, machine-local. If it is lost, the next scan runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::compare;
use crate::base::{Clock, Result, Stamp, digest, files};
use crate::guard::Finding;
use crate::hub::Hub;

/// The default prefixes.
pub const PREFIXES: [&str; 2] = ["_plans/", "_report/"];
/// The history that scans append to on request.
pub const HISTORY: &str = "_report/usage/scan-history.jsonl";

const CACHE: &str = "cache/scan.json";
const MAX_CACHE: u64 = 64 << 20;

/// The last scan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Last {
    pub at: Stamp,
    prefixes: Vec<String>,
    /// Of names, sizes and times under the prefixes.
    state: String,
    pub findings: Vec<Finding>,
}

/// The last scan, if it watched the same prefixes and nothing under them changed since.
pub fn unchanged(hub: &Hub, prefixes: &[String]) -> Option<Last> {
    let last = last(hub)?;
    (last.prefixes == prefixes && last.state == state(&hub.root, prefixes)).then_some(last)
}

/// The last scan, whatever it watched.
pub fn last(hub: &Hub) -> Option<Last> {
    let bytes = files::read(&hub.local(CACHE), MAX_CACHE).ok()??;
    serde_json::from_slice(&bytes).ok()
}

/// The last scan, if it ended so recently by the machine's clock.
pub fn ended_within(hub: &Hub, span: Duration) -> Option<Last> {
    let saved = fs::metadata(hub.local(CACHE)).ok()?;
    let saved = i128::from(saved.mtime()) * 1_000_000_000 + i128::from(saved.mtime_nsec());
    let age = Clock::Machine.nanoseconds() - saved;
    (0..span.as_nanos().cast_signed()).contains(&age).then(|| last(hub))?
}

/// The current state of the prefixes; taken before a scan, so that changes during the scan count as new.
pub fn state(root: &Path, prefixes: &[String]) -> String {
    let mut entries = Vec::new();
    for prefix in prefixes {
        // A prefix may end inside a name: `_plans/2026` watches every path that begins with it.
        let (folder, start) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        gather(root, folder, start, &mut entries);
    }
    entries.sort();
    entries.dedup();
    digest::sha256(entries.join("\n").as_bytes())
}

fn gather(root: &Path, folder: &str, start: &str, entries: &mut Vec<String>) {
    let mut folders = vec![(folder.to_owned(), start)];
    while let Some((folder, start)) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
            if !name.starts_with(start) || name == ".git" || path == HISTORY {
                continue;
            }
            let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
            if meta.is_dir() {
                folders.push((path, ""));
            } else {
                let (seconds, nanoseconds) = (meta.mtime(), meta.mtime_nsec());
                entries.push(format!("{path}\0{}\0{}\0{seconds}.{nanoseconds}", meta.len(), meta.ino()));
            }
        }
    }
}

/// Saves a scan. Not synced: without it, the next scan runs.
pub fn remember(hub: &Hub, prefixes: &[String], state: String, findings: &[Finding]) -> Result<()> {
    let last = Last { at: hub.now(), prefixes: prefixes.to_vec(), state, findings: findings.to_vec() };
    let path = hub.local(CACHE);
    files::create_parent(&path)?;
    files::replace_unsynced(&path, &serde_json::to_vec(&last)?)
}

/// Fingerprints of the findings that a person checked and accepted; machine-local.
const ACCEPTED: &str = "scan-accepted.json";
/// The maximum number of accepted findings.
const MAX_ACCEPTED: usize = 10_000;

/// The findings of high severity of the last scan that no person has accepted.
pub fn pausing(hub: &Hub) -> Result<Vec<Finding>> {
    let Some(last) = last(hub) else { return Ok(Vec::new()) };
    let high: Vec<_> = last.findings.into_iter().filter(Finding::stops).collect();
    if high.is_empty() {
        return Ok(high);
    }
    let accepted = accepted(hub)?;
    Ok(high.into_iter().filter(|found| !accepted.contains(&compare::fingerprint(found))).collect())
}

/// Accepts the findings of the last scan, for a person who checked them: they no longer pause work. Returns how many
/// were new.
pub fn accept(hub: &Hub) -> Result<usize> {
    let new = pausing(hub)?;
    if new.is_empty() {
        return Ok(0);
    }
    let mut all = accepted(hub)?;
    all.extend(new.iter().map(compare::fingerprint));
    let surplus = all.len().saturating_sub(MAX_ACCEPTED);
    all.drain(..surplus);
    let path = hub.local(ACCEPTED);
    files::create_parent(&path)?;
    files::replace(&path, &serde_json::to_vec(&all)?)?;
    Ok(new.len())
}

fn accepted(hub: &Hub) -> Result<Vec<String>> {
    let bytes = files::read(&hub.local(ACCEPTED), MAX_CACHE)?;
    // A damaged file accepts nothing: a person has to accept again.
    Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default())
}

/// The line that a scan appends to [`HISTORY`].
pub fn history_line(at: Stamp, findings: &[Finding]) -> Vec<u8> {
    let mut map = serde_json::Map::new();
    map.insert("ts".into(), serde_json::json!(at));
    for (severity, count) in compare::counts(findings) {
        map.insert(severity.into(), count.into());
    }
    let mut line = crate::base::json::compact(&map).into_bytes();
    line.push(b'\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_under_a_prefix_counts_as_a_change() {
        let dir = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("_plans/a.plan.json", "{}");
        let prefixes = PREFIXES.map(str::to_owned);
        let before = state(dir.path(), &prefixes);
        write("src/main.rs", "x");
        write(HISTORY, "{}\n");
        assert_eq!(state(dir.path(), &prefixes), before);
        write("_report/agent/x/a.json", "{}");
        let after = state(dir.path(), &prefixes);
        assert_ne!(after, before);
        write("_report/agent/x/a.json", "{ }");
        assert_ne!(state(dir.path(), &prefixes), after);
        let narrow = ["_plans/2026".to_owned()];
        let before = state(dir.path(), &narrow);
        write("_plans/a.plan.json", "{  }");
        assert_eq!(state(dir.path(), &narrow), before);
        write("_plans/2026-01-05-x.plan.json", "{}");
        assert_ne!(state(dir.path(), &narrow), before);
    }
}
