//! Plans: the playbook's strict validation, and no way back from done.

use std::fs;
use std::path::Path;

use crate::guard::Finding;
use crate::guard::preflight::tree::Tree;
use crate::model::plan::SUFFIX;
use crate::plans::{evidence, validate};

/// What is wrong with one plan file.
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

/// A plan without its justification, which the playbook asks for beside it: worth a look, no more.
pub fn unjustified(root: &Path, path: &str) -> Option<Finding> {
    let justification = path.replace(SUFFIX, ".md");
    let is_there = fs::symlink_metadata(root.join(&justification)).is_ok_and(|found| found.is_file());
    (!is_there).then(|| {
        Finding::low("plan.no_justification", path, format!("the plan has no justification {justification}"))
            .hint(format!("say there why the work is done: {justification}"))
    })
}

/// What went back from done since the base's version of the plan.
pub fn against(tree: &Tree, path: &str, before: &[u8]) -> Vec<Finding> {
    match tree.read(path) {
        Ok(Some(now)) => validate::regressions(path, before, &now),
        // A plan may be archived; that it is gone is worth a look, no more.
        Ok(None) => vec![
            Finding::low("plan.removed", path, "the base has this plan, and it is gone here")
                .at(1)
                .hint("take it back from git if nobody meant to remove it"),
        ],
        Err(_) => Vec::new(),
    }
}
