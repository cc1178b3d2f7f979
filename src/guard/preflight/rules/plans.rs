//! Checks plans: the playbook's strict validation, and no step back from done.

use std::fs;
use std::path::Path;

use crate::guard::Finding;
use crate::guard::preflight::tree::Tree;
use crate::model::plan::SUFFIX;
use crate::plans::{evidence, validate};

/// The problems of one plan file.
pub fn check(tree: &Tree, path: &str) -> Vec<Finding> {
    let evidence = |receipt: &str| match tree.is_retired(receipt) {
        true => evidence::Evidence::Tracked,
        false => evidence::find(tree.root(), receipt, &|receipt| tree.is_tracked(receipt)),
    };
    match tree.read(path) {
        Ok(Some(bytes)) => validate::check(path, &bytes, Some(&evidence)),
        Ok(None) => Vec::new(),
        Err(damaged) => vec![damaged],
    }
}

/// Warns about a plan without the justification file that the playbook requires.
pub fn unjustified(root: &Path, path: &str) -> Option<Finding> {
    let justification = path.replace(SUFFIX, ".md");
    let is_there = fs::symlink_metadata(root.join(&justification)).is_ok_and(|found| found.is_file());
    (!is_there).then(|| {
        Finding::low("plan.no_justification", path, format!("the plan has no justification file {justification}"))
            .hint(format!("explain there why the work is done: {justification}"))
    })
}

/// Steps that went back from done since the base's version of the plan.
pub fn against(tree: &Tree, path: &str, before: &[u8]) -> Vec<Finding> {
    match tree.read(path) {
        Ok(Some(now)) => validate::regressions(path, before, &now),
        // A plan may be archived, so a missing one is only a warning.
        Ok(None) => vec![
            Finding::low("plan.removed", path, "the base has this plan, but it is missing here")
                .at(1)
                .hint("restore it from git if it was not removed on purpose"),
        ],
        Err(_) => Vec::new(),
    }
}
