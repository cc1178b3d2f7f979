//! Finds secrets in the record: everybody can read receipts, logs and plans.

use std::fs;
use std::path::Path;

use super::clean::Clean;
use crate::base::{Clock, files, parallel};
use crate::guard::{Finding, secrets};
use crate::hub::paths;

/// Larger files are not scanned.
const MAX_FILE: u64 = 16 * 1024 * 1024;
/// A file full of secrets is one problem: only the first few are listed.
const NAMED: usize = 5;

/// Possible secrets in the files of the owned folders, except files known to be `clean`, which is updated with the
/// result. Links are not followed.
pub fn in_record(root: &Path, clean: &mut Clean) -> Vec<Finding> {
    let now = Clock::Machine.now().unix();
    let paths = files_of(root);
    let looked = parallel::map(&paths, |path| look_through(root, path, clean));
    let (mut found, mut without) = (Vec::new(), Vec::new());
    for (path, (hits, meta)) in paths.into_iter().zip(looked) {
        if let Some(meta) = meta.filter(|_| hits.is_empty()) {
            without.push((path, meta));
        }
        found.extend(hits);
    }
    clean.replace(without.into_iter(), now);
    found
}

/// The findings of a file, and its metadata from before it was read.
fn look_through(root: &Path, path: &str, clean: &Clean) -> (Vec<Finding>, Option<fs::Metadata>) {
    let full = root.join(path);
    let Ok(meta) = fs::symlink_metadata(&full) else { return (Vec::new(), None) };
    if clean.holds(path, &meta) {
        return (Vec::new(), Some(meta));
    }
    match files::read(&full, MAX_FILE) {
        Ok(Some(bytes)) => {
            (secrets::scan(&bytes).iter().take(NAMED).map(|hit| finding(path, hit)).collect(), Some(meta))
        }
        _ => (Vec::new(), None),
    }
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

fn finding(path: &str, hit: &secrets::Hit) -> Finding {
    let code = if path.starts_with("_report/") { "secret.in_receipt" } else { "secret.in_record" };
    Finding::high(code, path, format!("looks like a secret ({})", hit.kind))
        .at(hit.line)
        .hint("revoke the secret first; then a person decides what to do with the file")
}
