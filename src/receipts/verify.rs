//! Verifies that receipts are unchanged since they were added.

use std::fs;
use std::path::Path;

use serde::Serialize;

use super::seal::{self, Seal};
use super::seen::Seen;
use super::{chain, ledger};
use crate::base::{Result, digest, files, parallel};
use crate::hub::paths;
use crate::model::run::outcome::Finding;

/// What was checked, and the findings.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Entries of the ledger whose files were hashed.
    pub entries: usize,
    /// Receipts that were checked against their own hash.
    pub sealed: usize,
    pub findings: Vec<Finding>,
}

/// Checks the ledger's chain and the file of every entry under `root`; with `all`, also every JSON file under
/// `_report/` that has its own hash, listed or not.
///
/// A receipt that changed, is missing, or was re-ordered is named with its line in the ledger.
pub fn verify(root: &Path, all: bool) -> Result<Report> {
    verify_unseen(root, all, &Seen::default())
}

/// Like [`verify`], but does not read files again whose hash was seen and that have not changed.
pub fn verify_unseen(root: &Path, all: bool, seen: &Seen) -> Result<Report> {
    let bytes = files::read(&root.join(paths::LEDGER), u64::MAX >> 1)?.unwrap_or_default();
    let mut findings = chain::check(paths::LEDGER, &bytes);
    let mut entries = ledger::entries(root)?;
    let mut listed = std::collections::HashSet::new();
    let retired = ledger::retired(root)?;
    entries.retain(|(_, entry)| {
        !retired.contains(&entry.path) && listed.insert((entry.path.clone(), entry.sha256.clone()))
    });
    findings.extend(parallel::map(&entries, |(line, entry)| changed(root, *line, entry, seen)).into_iter().flatten());
    let seals = if all { own_seals(root, seen)? } else { Vec::new() };
    findings.extend(seals.iter().filter(|(_, seal)| *seal == Seal::Wrong).map(|(path, _)| broken_seal(path)));
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    Ok(Report { entries: entries.len(), sealed: seals.len(), findings })
}

/// The problem with the file of one entry.
fn changed(root: &Path, line: u64, entry: &ledger::Entry, seen: &Seen) -> Option<Finding> {
    let shown = crate::base::text::clip(&crate::base::text::safe(&entry.path), 120);
    let hashed = files::within(root, &entry.path).and_then(|path| hash(&path, &entry.path, seen));
    let (code, message, hint) = match hashed {
        Ok(Some(sha256)) if sha256 == entry.sha256 => return None,
        Ok(Some(_)) => ("receipt.changed", format!("{shown} changed after it was added"), "restore it from git"),
        Ok(None) => ("receipt.missing", format!("{shown} does not exist"), "restore it from git"),
        Err(e) => ("receipt.unreadable", format!("{shown} cannot be read: {e}"), "restore the regular file"),
    };
    Some(Finding::high(code, paths::LEDGER, message).at(line).hint(hint))
}

/// The hash of a regular file; `None` when it does not exist.
fn hash(path: &Path, name: &str, seen: &Seen) -> Result<Option<String>> {
    let before = fs::symlink_metadata(path).ok();
    if let Some(known) = before.as_ref().and_then(|before| seen.sha256(name, before)) {
        before.iter().for_each(|before| seen.note_sha256(name, before, known));
        return Ok(Some(known.to_owned()));
    }
    let Some(file) = files::open_regular(path)? else { return Ok(None) };
    let sha256 = digest::sha256_reader(file)?;
    before.iter().for_each(|before| seen.note_sha256(name, before, &sha256));
    Ok(Some(sha256))
}

fn broken_seal(path: &str) -> Finding {
    let message = format!("{path} does not match its {}: it was changed after it was written", seal::KEY);
    Finding::high("receipt.seal_broken", path, message).at(1).hint("restore it from git")
}

/// The JSON files under `_report/` that have their own hash, and whether it matches. Links are not followed.
fn own_seals(root: &Path, seen: &Seen) -> Result<Vec<(String, Seal)>> {
    let mut found = Vec::new();
    let mut folders = vec!["_report".to_owned()];
    while let Some(folder) = folders.pop() {
        let Ok(names) = fs::read_dir(root.join(&folder)) else { continue };
        for entry in names {
            let entry = entry?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let path = format!("{folder}/{name}");
            let kind = entry.file_type()?;
            if kind.is_dir() {
                folders.push(path);
            } else if kind.is_file() && name.ends_with(".json") {
                found.push(path);
            }
        }
    }
    let seals = parallel::map(&found, |path| {
        let full = root.join(path);
        let before = fs::symlink_metadata(&full).ok()?;
        let known = seen.seal(path, &before);
        let seal = match known {
            Some(known) => known,
            None => seal::check(&files::read(&full, files::MAX_DOCUMENT).ok()??),
        };
        seen.note_seal(path, &before, seal);
        Some((path.clone(), seal)).filter(|(_, seal)| *seal != Seal::None)
    });
    Ok(seals.into_iter().flatten().collect())
}
