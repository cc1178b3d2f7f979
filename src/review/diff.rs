//! The patch of the reviewed commit, for people to read.
//!
//! It is built from git objects: no attributes, no text conversion, no external diff. Its text is safe for terminals.

use std::fmt::Write as _;

use git2::{DiffFormat, DiffOptions, Oid};

use super::target::merge;
use crate::base::{Result, text};
use crate::hub::Hub;
use crate::hub::git::object_ids;
use crate::model::run::bundle::Bundle;

/// Larger files are named, not shown.
const MAX_FILE: i64 = 1024 * 1024;

/// A longer patch is cut, in bytes.
const MAX_PATCH: usize = 16 * 1024 * 1024;

/// The patch from the base to the reviewed commit; its last line says when it was cut.
pub fn patch(hub: &Hub, bundle: &Bundle) -> Result<String> {
    let repo = merge::open(hub)?;
    let commit = merge::reviewed(&repo, bundle)?;
    let tree = |id: Oid| repo.find_commit(id).and_then(|commit| commit.tree());
    let (base, tip) = (tree(object_ids::parse(&bundle.base_commit)?)?, tree(commit)?);
    let mut options = DiffOptions::new();
    options.max_size(MAX_FILE).force_text(false);
    let diff = repo.diff_tree_to_tree(Some(&base), Some(&tip), Some(&mut options))?;
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
            let (base, tip) = (text::safe(&bundle.base_commit), text::safe(&bundle.commit));
            let _ = write!(out, "\ncut at 16 MiB; see the complete patch: git diff {base} {tip}");
        }
        printed => printed?,
    }
    Ok(out)
}
