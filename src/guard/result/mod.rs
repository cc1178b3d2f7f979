//! Checks the result of a worker, whatever the agent said about it.
//!
//! The checks compare the commit with its base: the tree of the branch against the tree of the base, object by
//! object, with the git dir that the caller names. Trees and blobs are read from the object store and compared
//! here, so attributes, replace objects, text conversion, external diffs, filters and rename detection have no
//! influence. Then the worktree is searched for uncommitted files. Nothing in the worktree is executed, no link is
//! followed, and no read can block.

mod attributes;
pub mod changes;
pub mod checkouts;
pub mod collect;
pub mod dotgit;
mod folder;
pub mod git_trace;
pub mod history;
pub mod object_store;
pub mod personal;
pub mod planted;
mod rules;
mod subject;
pub mod surroundings;

use std::path::Path;

use anyhow::Context;
use git2::{Oid, Repository};

use super::Finding;
use crate::base::{Refusal, Result};
use crate::hub::git::object_ids;

pub use changes::{Change, Kind};
pub use history::Landed;
pub use rules::PathRules;
pub use subject::{Limits, Subject};
pub use surroundings::Surroundings;

/// Codes of findings about things that people change as well. They are reported and do not block.
pub const REPORTED_ONLY: [&str; 6] =
    ["hub.changed", "worktree.changed", "git.lock_left", "teof.planted", "person.surroundings", "git.identity"];

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The commit that was checked, in hex.
    pub tip: String,
    /// Sorted by path: first what is in the commit, then what is uncommitted.
    pub changes: Vec<Change>,
    /// Changed lines of files that people or agents write.
    pub added: u64,
    pub removed: u64,
    /// Changed lines of generated files.
    pub generated: u64,
    /// Files and folders that git ignores; they were not read.
    pub ignored: u64,
    pub findings: Vec<Finding>,
}

impl Report {
    /// Lines added plus lines removed, as limited by [`Limits::diff_lines`].
    pub fn size(&self) -> u64 {
        self.added.saturating_add(self.removed)
    }

    pub fn blocked(&self) -> bool {
        self.findings.iter().any(Finding::stops)
    }

    pub fn needs_person(&self) -> bool {
        self.findings.iter().any(Finding::needs_person)
    }
}

/// Runs every check.
///
/// # Errors
/// Only when the repository, the base or the branch cannot be read; what a worker did is a finding.
pub fn check(subject: &Subject, limits: &Limits) -> Result<Report> {
    let repo = open(subject.common_dir)?;
    let base = oid(subject.base)?;
    let mut findings = dotgit::check(subject);
    if let Some(before) = subject.before {
        findings.extend(dotgit::differences(before, &dotgit::observe(subject.common_dir, subject.git_dir)));
        findings.extend(object_store::replaced(subject.common_dir, before)?);
    }
    findings.extend(history::replaced_branch(&repo, subject.branch));
    let Some(tip) = tip(&repo, subject.branch)? else {
        findings.push(
            Finding::high("git.branch_missing", "", format!("the branch {} no longer exists", subject.branch))
                .hint("its commits may still be in the worktree's reflog; start the run again"),
        );
        return Ok(Report { findings, ..Report::default() });
    };
    if let Some(missing) = object_store::missing(subject.common_dir, base, tip)? {
        findings.push(missing);
        return Ok(Report { tip: tip.to_string(), findings, ..Report::default() });
    }
    findings.extend(history::check(&repo, base, tip)?);
    let mut changes = changes::between(&repo, Some(base), tip, &mut findings)?;
    let uncommitted = folder::uncommitted(&repo, tip, subject, &mut findings)?;
    changes.extend(uncommitted.changes);
    findings.extend(rules::check(&changes, limits));
    let is_generated = attributes::Generated::new(subject.common_dir, base, &limits.generated)?;
    let (generated, written): (Vec<_>, Vec<_>) = changes.iter().partition(|change| is_generated.covers(&change.path));
    let sum = |list: &[&Change], of: fn(&Change) -> u64| list.iter().fold(0, |sum: u64, c| sum.saturating_add(of(c)));
    let (added, removed) = (sum(&written, |change| change.added), sum(&written, |change| change.removed));
    let generated = sum(&generated, |change| change.added.saturating_add(change.removed));
    findings.extend(rules::too_large(&written, added.saturating_add(removed), limits.diff_lines));
    Ok(Report { tip: tip.to_string(), changes, added, removed, generated, ignored: uncommitted.ignored, findings })
}

/// Whether the worker moved `target` to a commit of its own, or away from `before`; `git_dir` is the worktree's own.
pub fn landed(
    git_dir: &Path,
    base: Oid,
    checkpoints: &[Oid],
    target: &str,
    before: Option<Oid>,
) -> Result<Option<Landed>> {
    let repo = Repository::open(git_dir).with_context(|| format!("open {}", git_dir.display()))?;
    history::landed(&repo, base, checkpoints, target, before)
}

/// Opens the repository for objects and branches only: no worktree, no index, no attributes.
fn open(common_dir: &Path) -> Result<Repository> {
    Repository::open_bare(common_dir).with_context(|| format!("open the repository {}", common_dir.display()))
}

fn oid(hex: &str) -> Result<Oid> {
    object_ids::parse(hex).map_err(|_| {
        Refusal::usage("commit.invalid", "the base is not a commit id").because("it must be a full hash").into()
    })
}

fn tip(repo: &Repository, branch: &str) -> Result<Option<Oid>> {
    match repo.find_reference(&format!("refs/heads/{branch}")) {
        Ok(found) => Ok(found.resolve().ok().and_then(|found| found.target())),
        Err(e) if e.code() == git2::ErrorCode::NotFound => Ok(None),
        Err(e) => Err(e).context("read the branch"),
    }
}
