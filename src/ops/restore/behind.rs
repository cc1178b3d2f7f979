//! Finds documents of the record that git reverted to an older state: plans, backlog, assignments and receipts that
//! are older than what was saved, or missing.
//!
//! Two sources: the watermarks have the last saved and earlier states of a document on this machine; a record commit
//! that the branch no longer contains has its content. A document that a person or another tool changed since is left
//! alone.

use std::path::Path;

use git2::{Delta, DiffOptions, ObjectType, Repository, Tree};

use super::sources::{self, Sources};
use crate::base::{Refusal, Result, digest, files, json};
use crate::guard::Finding;
use crate::hub::git::ancestry;
use crate::hub::{Hub, paths};
use crate::receipts::ledger;

/// An outdated document.
#[derive(Clone, Debug)]
pub struct Behind {
    /// Relative to the hub.
    pub path: String,
    pub why: String,
    /// The last saved document; `None` when no copy was found.
    pub last: Option<Vec<u8>>,
    /// Whether that copy comes from git.
    pub from_git: bool,
}

/// The outdated documents, sorted by path.
pub fn documents(hub: &Hub, sources: &Sources<'_>) -> Result<Vec<Behind>> {
    let marks = hub.watermarks().documents();
    let mut found: Vec<Behind> = Vec::new();
    for path in marks.names() {
        let Err(error) = hub.check_document(&path) else { continue };
        let (last, from_git) = last_saved(hub, sources, &path);
        found.push(Behind { why: reason(&error), last, from_git, path });
    }
    for lost in dropped(hub)? {
        if !found.iter().any(|known| known.path == lost.path) {
            found.push(lost);
        }
    }
    found.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(found)
}

/// What only a restore looks for: documents that are no JSON any more, and missing receipts of the ledger that git has.
///
/// # Errors
/// When the ledger cannot be read.
pub fn damaged(hub: &Hub, sources: &Sources<'_>) -> Result<Vec<Behind>> {
    let mut found = Vec::new();
    for path in hub.watermarks().documents().names().into_iter().filter(|path| path.ends_with(".json")) {
        let at = hub.path(&path)?;
        let is_object = |bytes: &Vec<u8>| json::parse_object(bytes, &at).is_ok();
        let Ok(Some(now)) = files::read(&at, files::MAX_DOCUMENT) else { continue };
        if is_object(&now) {
            continue;
        }
        let (last, from_git) = last_saved(hub, sources, &path);
        if let Some(last) = last.filter(is_object) {
            found.push(Behind { why: format!("{path} is damaged"), last: Some(last), from_git, path });
        }
    }
    for (path, sha256) in ledger::expected(&hub.root)? {
        if hub.path(&path).is_ok_and(|at| at.symlink_metadata().is_ok()) {
            continue;
        }
        let last = sources.history(&path).find(|bytes| digest::sha256(bytes) == sha256);
        if last.is_some() {
            found.push(Behind { why: format!("{path} is missing"), last, from_git: true, path });
        }
    }
    Ok(found)
}

/// A document as it was saved last, and whether that copy comes from git.
fn last_saved(hub: &Hub, sources: &Sources<'_>, path: &str) -> (Option<Vec<u8>>, bool) {
    let marks = hub.watermarks().documents();
    let kept = marks.last(path, std::iter::empty());
    let from_git = kept.is_none();
    (kept.or_else(|| marks.last(path, sources.history(path))), from_git)
}

/// The outdated documents as findings.
pub fn findings(hub: &Hub, sources: &Sources<'_>) -> Result<Vec<Finding>> {
    let found = documents(hub, sources)?;
    let hint = "restore the saved version: teof bus restore; or keep it as it is: teof bus restore --accept";
    Ok(found.into_iter().map(|lost| Finding::high("record.behind", lost.path, lost.why).hint(hint)).collect())
}

fn reason(error: &anyhow::Error) -> String {
    Refusal::of(error).and_then(|refusal| refusal.reason.clone()).unwrap_or_else(|| error.to_string())
}

/// Documents of a record commit that the branch lost, unchanged since the commit before, both in the tree and on the
/// branch.
fn dropped(hub: &Hub) -> Result<Vec<Behind>> {
    let (Some(commit), Some(branch)) = (sources::dropped(hub)?, hub.branch()) else { return Ok(Vec::new()) };
    let repo = Repository::open_bare(&hub.common_dir)?;
    let commit = repo.revparse_single(&commit)?.peel_to_commit()?;
    let tip = repo.find_reference(&format!("refs/heads/{branch}"))?.peel_to_commit()?;
    let Some(common) = ancestry::merge_base(&repo, commit.id(), tip.id())? else { return Ok(Vec::new()) };
    let (before, lost, now) = (repo.find_commit(common)?.tree()?, commit.tree()?, tip.tree()?);
    let mut options = DiffOptions::new();
    options.skip_binary_check(true);
    let diff = repo.diff_tree_to_tree(Some(&before), Some(&lost), Some(&mut options))?;
    let mut found = Vec::new();
    for delta in diff.deltas().filter(|delta| delta.status() != Delta::Deleted) {
        let Some(path) = delta.new_file().path().and_then(Path::to_str).filter(|path| is_document(hub, path)) else {
            continue;
        };
        let in_tree = files::read(&hub.path(path)?, files::MAX_DOCUMENT).ok().flatten();
        let older = blob(&repo, &before, path);
        if in_tree != older || blob(&repo, &now, path) != older {
            continue;
        }
        let why = match older {
            None => format!("{path} is missing, although a record commit that the branch lost had it"),
            Some(_) => format!("{path} is in the state before a record commit that the branch lost"),
        };
        found.push(Behind { path: path.to_owned(), why, last: blob(&repo, &lost, path), from_git: true });
    }
    Ok(found)
}

/// Claims and logs have their own rules.
fn is_document(hub: &Hub, path: &str) -> bool {
    let is_log = path == paths::MEMORY
        || path == paths::LEDGER
        || [paths::EVENTS_FOLDER, paths::MESSAGES].iter().any(|folder| path.starts_with(folder))
        || hub.watermarks().log_length(path) > 0;
    paths::is_record(path) && !is_log && !path.starts_with(paths::CLAIMS)
}

fn blob(repo: &Repository, tree: &Tree<'_>, path: &str) -> Option<Vec<u8>> {
    let entry = tree.get_path(Path::new(path)).ok().filter(|entry| entry.kind() == Some(ObjectType::Blob))?;
    Some(repo.find_blob(entry.id()).ok()?.content().to_vec())
}
