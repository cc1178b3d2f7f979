//! What was decided about a commit that a job made on the way to its target: one of its branch, or the one that its
//! pull request offers.
//!
//! An approval is of one result. It counts for the commits of that result alone: the reviewed commit, those below it,
//! and the offered one. Rework has commits of its own.

use git2::{Commit, Oid, Repository};

use super::change;
use super::document::{Checks, Outcome};
use super::papers::{self, Paper};
use super::record::Record;
use crate::base::{Result, text};
use crate::hub::git::{ancestry, object_ids};
use crate::model::run::bundle::Bundle;
use crate::review::decision::{Decision, Kind};

/// Whether a commit belongs to a result that was approved.
enum Belongs {
    Yes,
    No,
    /// The commits that would tell are not here.
    Unknown,
}

/// Checks the decision about the result that a commit belongs to; comes after the check of the tree. Below a `tip` that
/// has the delivered commit, a later revert does not count: it is in that history, too.
///
/// # Errors
/// When the repository cannot be read.
pub fn check(
    repo: &Repository,
    (commit, tip): (&Commit, Oid),
    record: &Record,
    bundle: &Bundle,
    checks: &mut Checks,
) -> Result<()> {
    let decided = papers::decisions(record, None, Some(&bundle.job))?;
    let name = text::clip(&text::safe(&bundle.run), 80);
    let is_about = |found: &Paper<Decision>| found.says.run == bundle.run && found.says.decision != Kind::Reverted;
    let Some(at) = decided.iter().rposition(is_about) else {
        checks.unchecked("decision", "no person has approved it yet");
        return Ok(());
    };
    let Paper { filed, says } = &decided[at];
    let by = text::safe(&says.by);
    if let Some(problem) = &filed.problem {
        checks.failed("decision", problem.clone());
        return Ok(());
    }
    match says.decision {
        Kind::Rejected => checks.failed("decision", format!("{by} rejected {name}")),
        Kind::Retry | Kind::Feedback => checks.failed("decision", format!("{by} sent {name} back to its coder")),
        Kind::Conflict => checks.unchecked("decision", format!("{name} was in conflict and went back to its coder")),
        Kind::Approved | Kind::Reverted => approved(repo, (commit, tip), (says, &decided[at + 1..]), checks)?,
    }
    Ok(())
}

fn approved(
    repo: &Repository,
    (commit, tip): (&Commit, Oid),
    (said, later): (&Decision, &[Paper<Decision>]),
    checks: &mut Checks,
) -> Result<()> {
    let merged = said.clone().on_target();
    let name = text::clip(&text::safe(&said.run), 80);
    match belongs(repo, commit, said, checks)? {
        Belongs::Yes => {}
        Belongs::No => {
            checks
                .failed("decision", format!("{name} was approved, and delivered as {merged}; this is another commit"));
            return Ok(());
        }
        Belongs::Unknown => {
            let shown = text::clip(&text::safe(&said.reviewed_commit), 64);
            checks.unchecked("decision", format!("the approved commit {shown} of {name} is not here"));
            return Ok(());
        }
    }
    let delivered = existing(repo, said.merge_commit.as_ref().unwrap_or(&said.reviewed_commit));
    let is_delivered_here = match delivered {
        Some(delivered) => ancestry::holds(repo, tip, delivered)?,
        None => false,
    };
    match later.iter().find(|found| found.says.decision == Kind::Reverted) {
        Some(reverted) if !is_delivered_here => {
            let by = text::safe(&reverted.says.by);
            checks.failed("decision", format!("{by} reverted it after it was delivered as {merged}"));
        }
        _ => checks.ok("decision", format!("{name} was approved, and delivered as {merged}")),
    }
    Ok(())
}

fn belongs(repo: &Repository, commit: &Commit, said: &Decision, checks: &Checks) -> Result<Belongs> {
    let id = commit.id();
    let reviewed = existing(repo, &said.reviewed_commit);
    if said.reviewed_commit == id.to_string()
        || reviewed.is_some_and(|reviewed| ancestry::holds(repo, reviewed, id).unwrap_or(false))
    {
        return Ok(Belongs::Yes);
    }
    let merge = said.merge_commit.as_ref().and_then(|merge| existing(repo, merge));
    if let Some(merge) = merge
        && change::parents(&repo.find_commit(merge)?).iter().skip(1).any(|merged| *merged == id)
    {
        return Ok(Belongs::Yes);
    }
    // What a pull request offers is the work alone, on a commit that the target had when it was approved.
    let target = said.target_before.as_ref().and_then(|before| existing(repo, before));
    if let ([below], Some(target)) = (&change::parents(commit)[..], target)
        && !ancestry::holds(repo, target, *below)?
    {
        return Ok(Belongs::No);
    }
    let tree = checks.0.iter().rfind(|check| check.name == "tree").map(|check| check.outcome);
    Ok(match (tree, target, reviewed) {
        (Some(Outcome::Ok), Some(_), _) => Belongs::Yes,
        (_, Some(_), Some(_)) => Belongs::No,
        _ => Belongs::Unknown,
    })
}

/// The id of a commit that is in this repository.
fn existing(repo: &Repository, id: &str) -> Option<Oid> {
    object_ids::parse(id).and_then(|id| repo.find_commit(id)).map(|commit| commit.id()).ok()
}
