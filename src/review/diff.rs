//! The patch of the reviewed commit, for people to read.
//!
//! It is built from git objects: no attributes, no text conversion, no external diff. Its text is safe for terminals.

use std::fmt::Write as _;

use git2::{DiffFormat, DiffOptions, Oid, Repository};

use super::target::merge;
use crate::base::{Result, text};
use crate::hub::Hub;
use crate::hub::git::object_ids;
use crate::hub::worktrees::convention;
use crate::model::run::bundle::Bundle;

/// Larger files are named, not shown.
const MAX_FILE: i64 = 1024 * 1024;

/// A longer patch is cut, in bytes.
const MAX_PATCH: usize = 16 * 1024 * 1024;

/// The patch from the base to the reviewed commit; its last line says when it was cut.
///
/// # Errors
/// When the repository lacks one of the commits.
pub fn patch(hub: &Hub, bundle: &Bundle) -> Result<String> {
    let repo = merge::open(hub)?;
    let tip = merge::reviewed(&repo, bundle)?;
    between(&repo, object_ids::parse(&bundle.base_commit)?, tip)
}

/// The patch of work that has no result to review, such as a blocked job's: from where it left the target to `commit`.
///
/// # Errors
/// As [`patch`].
pub fn of_commit(hub: &Hub, commit: &str) -> Result<String> {
    let repo = merge::open(hub)?;
    let tip = object_ids::parse(commit)?;
    let target = repo.refname_to_id(&convention::target(hub)?)?;
    between(&repo, repo.merge_base(target, tip)?, tip)
}

fn between(repo: &Repository, base: Oid, tip: Oid) -> Result<String> {
    let tree = |id: Oid| repo.find_commit(id).and_then(|commit| commit.tree());
    let (old, new) = (tree(base)?, tree(tip)?);
    let mut options = DiffOptions::new();
    options.max_size(MAX_FILE).force_text(false);
    let diff = repo.diff_tree_to_tree(Some(&old), Some(&new), Some(&mut options))?;
    let mut out = String::new();
    let printed = diff.print(DiffFormat::Patch, |_, _, line| {
        if matches!(line.origin(), '+' | '-' | ' ') {
            out.push(line.origin());
        }
        let content = text::safe_block(&String::from_utf8_lossy(line.content()));
        let _ = write!(out, "{content}");
        out.len() < MAX_PATCH
    });
    match printed {
        // Stopped at the size limit.
        Err(_) if out.len() >= MAX_PATCH => {
            let _ = write!(out, "\ncut at 16 MiB; see the complete patch: git diff {base} {tip}");
        }
        printed => printed?,
    }
    Ok(out)
}
