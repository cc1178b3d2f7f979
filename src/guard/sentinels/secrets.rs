//! Finds secrets in the record: everybody can read receipts, logs and plans.

use std::fs;
use std::path::Path;

use crate::base::{files, parallel};
use crate::guard::{Finding, secrets};
use crate::hub::paths;
use crate::receipts::seen::Seen;

/// Larger files are not scanned.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// A file full of secrets is one problem: only the first few are listed.
const NAMED: usize = 5;

/// Possible secrets in the files of the owned folders, except files that were seen to hold none. Links are not
/// followed.
pub fn in_record(root: &Path, seen: &Seen) -> Vec<Finding> {
    parallel::map(&files_of(root), |path| look_through(root, path, seen)).into_iter().flatten().collect()
}

fn look_through(root: &Path, path: &str, seen: &Seen) -> Vec<Finding> {
    let full = root.join(path);
    let Ok(meta) = fs::symlink_metadata(&full) else { return Vec::new() };
    if !seen.is_without_secrets(path, &meta) {
        let is_log = path.ends_with(".jsonl") && (path.starts_with("_bus/") || path == paths::LEDGER);
        let Ok(Some(bytes)) = files::read(&full, MAX_FILE) else { return Vec::new() };
        // A line of teof's own logs is a record: no secret begins in one and ends in another.
        let new = if is_log { seen.without_secrets_until(path, &bytes) } else { 0 };
        let hits = secrets::scan_record(&bytes[new..]);
        if !hits.is_empty() {
            let before = bytes[..new].iter().filter(|byte| **byte == b'\n').count() as u64;
            return hits.iter().take(NAMED).map(|hit| finding(path, before + hit.line, hit.kind)).collect();
        }
        if is_log {
            seen.note_log_without_secrets(path, &bytes);
        }
    }
    seen.note_without_secrets(path, &meta);
    Vec::new()
}

fn files_of(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<String> = paths::OWNED.iter().map(|folder| (*folder).to_owned()).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(root.join(&folder)).into_iter().flatten().flatten() {
            let (Ok(name), Ok(kind)) = (entry.file_name().into_string(), entry.file_type()) else { continue };
            let path = format!("{folder}/{name}");
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn finding(path: &str, line: u64, kind: &str) -> Finding {
    let code = if path.starts_with("_report/") { "secret.in_receipt" } else { "secret.in_record" };
    Finding::high(code, path, format!("looks like a secret ({kind})"))
        .at(line)
        .hint("revoke the secret first; then a person decides what to do with the file")
}
