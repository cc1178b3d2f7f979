//! Finds what a worker left in the git dir: git locks that block every commit, and unknown files in teof's folder.

use std::fs;
use std::path::Path;

use super::surroundings::{LOCAL, LOCK, Surroundings};
use crate::base::text;
use crate::guard::Finding;
use crate::hub::repository::locks;
use crate::hub::{Hub, paths};

/// How many names a finding lists.
const NAMED: usize = 10;

/// Records what is there already.
pub fn record(hub: &Hub, found: &mut Surroundings) {
    let locks = locks::paths(&hub.common_dir).into_iter();
    found.extend(locks.map(|lock| (key(LOCK, &lock), String::new())));
    found.extend(unknown(hub).into_iter().map(|name| (format!("{LOCAL}{name}"), String::new())));
}

/// Findings about what was added since.
pub fn found(hub: &Hub, before: &Surroundings) -> Vec<Finding> {
    let mut findings = Vec::new();
    let locks = locks::left_since(hub, |lock| before.contains_key(&key(LOCK, lock)));
    if !locks.is_empty() {
        let locks = listed(locks.iter().map(|lock| lock.to_string_lossy().into_owned()).collect());
        let message = format!("while the worker ran, git lock files appeared that no running git holds: {locks}");
        let hint = "they block commits and branch updates; if you have no commit in progress: teof doctor";
        findings.push(Finding::medium("git.lock_left", "", message).hint(hint));
    }
    let mut unknown = unknown(hub);
    unknown.retain(|name| !before.contains_key(&format!("{LOCAL}{name}")));
    if !unknown.is_empty() {
        let folder = hub.local("");
        let message =
            format!("while the worker ran, unknown files appeared in {}: {}", folder.display(), listed(unknown));
        let hint = "teof does not read them; check them and move them away";
        findings.push(Finding::medium("teof.planted", "", message).hint(hint));
    }
    findings
}

fn key(prefix: &str, path: &Path) -> String {
    format!("{prefix}{}", path.display())
}

/// Files in teof's machine-local folder that teof does not use.
fn unknown(hub: &Hub) -> Vec<String> {
    let entries = fs::read_dir(hub.local("")).into_iter().flatten().flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter(|name| !paths::is_machine_local(name)).collect();
    names.sort();
    names
}

fn listed(names: Vec<String>) -> String {
    let shown: Vec<_> = names.iter().take(NAMED).map(|name| text::safe(name)).collect();
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
