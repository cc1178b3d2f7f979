//! Whether a commit of the record only records: nothing is taken out of its logs, and a changed consent is a recorded
//! one.

use std::path::Path;

use git2::{Commit, Repository, Tree};
use serde_json::Value;

use super::document::Checks;
use crate::base::{Result, digest, text};
use crate::guard::preflight;
use crate::guard::result::changes;
use crate::hub::paths;
use crate::plans::requests::front_matter::differ_in_status_only;

/// The check of a changed consent file.
pub const CONSENT: &str = "consent";
/// How many losses are listed.
const LISTED: usize = 5;

/// Whether a commit changes nothing but the record, and status lines of requests.
///
/// # Errors
/// When the repository cannot be read.
pub fn is_of_record(repo: &Repository, commit: &Commit) -> Result<bool> {
    let (Ok(parent), 1) = (commit.parent(0), commit.parent_count()) else { return Ok(false) };
    let (before, after) = (parent.tree()?, commit.tree()?);
    let text = |tree: &Tree, path: &str| String::from_utf8(bytes(repo, tree, path)?).ok();
    for path in changes::paths(repo, parent.id(), commit.id())? {
        let Ok(path) = String::from_utf8(path) else { return Ok(false) };
        let is_status = || {
            let texts = text(&before, &path).zip(text(&after, &path));
            path.ends_with(".md") && texts.is_some_and(|(before, after)| differ_in_status_only(&before, &after))
        };
        if !paths::is_record(&path) && !is_status() {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Checks what a commit of the record does to the record of its parent. Sealing moves lines into another file.
///
/// # Errors
/// When the repository cannot be read.
pub fn check(repo: &Repository, commit: &Commit, checks: &mut Checks) -> Result<()> {
    let parent = commit.parent(0)?;
    let (before, after) = (parent.tree()?, commit.tree()?);
    let changed = changes::paths(repo, parent.id(), commit.id())?;
    let changed: Vec<String> = changed.into_iter().filter_map(|path| String::from_utf8(path).ok()).collect();
    let mut wrong = Vec::new();
    for place in preflight::APPENDED.into_iter().chain([paths::MEMORY]) {
        let logs = || changed.iter().filter(|path| preflight::is_log_of(path, place));
        let old: Vec<_> = logs().filter_map(|path| Some((path.clone(), bytes(repo, &before, path)?))).collect();
        let mut new: Vec<_> = logs().filter_map(|path| bytes(repo, &after, path)).collect();
        if preflight::lost_lines(&old, &new).is_empty() {
            continue;
        }
        // They may be in a log that did not change.
        new.extend(logs_of(repo, &after, place));
        let lost = preflight::lost_lines(&old, &new);
        wrong.extend(
            lost.iter().map(|lost| text::safe(&format!("{}: {}", lost.path.as_deref().unwrap_or(place), lost.message))),
        );
    }
    wrong.truncate(LISTED);
    checks.expect("record", "it has every line of its parent's logs", wrong);
    if changed.iter().any(|path| path == paths::CONSENT) {
        let is_recorded = is_consent_recorded(repo, (&before, &after))?;
        match is_recorded {
            true => checks.ok(CONSENT, "the log has the event of its change"),
            false => checks.unchecked(CONSENT, format!("{} changed, and the log has no grant of it", paths::CONSENT)),
        }
    }
    Ok(())
}

/// Whether the new consent file permits nothing, or an event that came with it grants exactly this file.
fn is_consent_recorded(repo: &Repository, (before, after): (&Tree, &Tree)) -> Result<bool> {
    let Some(file) = bytes(repo, after, paths::CONSENT) else { return Ok(true) };
    let permits_nothing = serde_json::from_slice::<Value>(&file).is_ok_and(|file| file["auto_enabled"] == false);
    if permits_nothing {
        return Ok(true);
    }
    let digest = digest::sha256(&file);
    let known = logs_of(repo, before, paths::EVENTS_FOLDER);
    let grants = |line: &&[u8]| {
        let event: Value = serde_json::from_slice(line).unwrap_or_default();
        event["event"] == "consent" && event["meta"]["consent_sha256"] == digest.as_str()
    };
    let lines = |logs: &[Vec<u8>]| logs.iter().flat_map(|log| log.split(|b| *b == b'\n')).filter(grants).count();
    Ok(lines(&logs_of(repo, after, paths::EVENTS_FOLDER)) > lines(&known))
}

/// The logs of a folder, or the one that a path names.
fn logs_of(repo: &Repository, tree: &Tree, place: &str) -> Vec<Vec<u8>> {
    let folder = tree.get_path(Path::new(place)).ok().and_then(|entry| entry.to_object(repo).ok()?.into_tree().ok());
    let names =
        folder.iter().flat_map(Tree::iter).filter_map(|entry| entry.name().ok().map(|name| format!("{place}/{name}")));
    let all = names.chain([place.to_owned()]).filter(|path| preflight::is_log_of(path, place));
    all.filter_map(|path| bytes(repo, tree, &path)).collect()
}

fn bytes(repo: &Repository, tree: &Tree, path: &str) -> Option<Vec<u8>> {
    let blob = tree.get_path(Path::new(path)).ok()?.to_object(repo).ok()?.into_blob().ok()?;
    Some(blob.content().to_vec())
}
