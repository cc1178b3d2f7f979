//! The branches that only people and the coordinator may move, and whether a worker moved one.

use std::collections::BTreeSet;
use std::path::Path;

use git2::{Oid, Repository};

use crate::base::Result;
use crate::guard::moved_target::{self, Moved, What};
use crate::guard::result::{self, Surroundings, surroundings};
use crate::hub::Hub;
use crate::model::run::order::Order;
use crate::model::run::outcome::Finding;

/// The order's target and the record's branch, which differ when the record has its own branch.
pub fn of(hub: &Hub, order: &Order) -> BTreeSet<String> {
    hub.branch().into_iter().chain(Some(order.target_branch.clone())).filter(|name| !name.is_empty()).collect()
}

/// Who may have moved a branch: the programs that ran in a worktree.
#[derive(Clone, Debug)]
pub struct Ran<'a> {
    /// The worktree's own git dir.
    pub git_dir: &'a Path,
    /// The commit that they started from.
    pub base: Oid,
    /// The commits that were made of their work.
    pub own: Vec<Oid>,
    pub job: &'a str,
    pub task: &'a str,
}

impl Ran<'_> {
    fn note(&self, hub: &Hub, branch: &str, commit: Oid, what: What) -> Result<()> {
        let (job, task) = (self.job.to_owned(), self.task.to_owned());
        let (branch, commit) = (branch.to_owned(), commit.to_string());
        moved_target::note(hub, Moved { branch, commit, what, job, task, at: hub.now() })
    }
}

/// Reports the targets among the branches that were moved in their checkout. Each is recorded as moved, so that nothing
/// is built on it.
///
/// # Errors
/// When a move cannot be recorded.
pub fn moved_in_checkouts(
    hub: &Hub,
    ran: &Ran<'_>,
    moved: Vec<(String, Oid, What)>,
    is_target: &BTreeSet<String>,
) -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for (branch, commit, what) in moved.into_iter().filter(|(branch, ..)| is_target.contains(branch)) {
        let words = match what {
            What::Holds => "gained commit",
            What::Lost => "lost commit",
        };
        let message = format!("{branch} {words} {commit} through git commands that the worker ran in its checkout");
        let hint = "teof builds nothing on it until a person has checked it: teof coordinator reset-breaker --help";
        findings.push(Finding::high("git.target_moved", "", message).hint(hint));
        ran.note(hub, &branch, commit, what)?;
    }
    Ok(findings)
}

/// Reports a target that the worker moved, or that was rewritten during the run; `known` is what was before it. A move
/// that no person made in a checkout is recorded as moved, so that nothing is built on it.
pub fn moved(hub: &Hub, ran: &Ran<'_>, target: &str, known: &Surroundings) -> Result<Option<Finding>> {
    let before = surroundings::target_before(known, target);
    let repo = Repository::open_bare(&hub.common_dir)?;
    let tip = repo.refname_to_id(&format!("refs/heads/{target}")).ok();
    let is_other = tip.is_none_or(|tip| before != Some(tip) && moved_target::past_checkout(hub, target));
    let past = is_other && !surroundings::rebooted(known);
    let landed = result::landed(ran.git_dir, ran.base, &ran.own, target, before)?;
    let (finding, noted) = match (landed, before, tip) {
        (Some(landed), _, _) if landed.finding.stops() => (landed.finding, Some((landed.commit, What::Holds))),
        (Some(landed), _, _) if past => {
            let message = landed.finding.message;
            (moved_past(message, landed.finding.hint), Some((landed.commit, What::Lost)))
        }
        (Some(landed), _, _) => (landed.finding, None),
        (None, Some(old), Some(tip)) if past && !is_known(hub, target)? => {
            let message = format!("{target} moved from {old} to {tip} while the worker ran, without a checkout");
            let hint = format!("nobody approved it; check it: git log {old}..{tip}");
            (moved_past(message, Some(hint)), Some((tip, What::Holds)))
        }
        (None, _, _) => return Ok(None),
    };
    if let Some((commit, what)) = noted {
        ran.note(hub, target, commit, what)?;
    }
    Ok(Some(finding))
}

/// Whether a worker's move of the branch is already recorded, so that it was not this worker.
fn is_known(hub: &Hub, target: &str) -> Result<bool> {
    Ok(moved_target::standing(hub)?.iter().any(|moved| moved.branch == target))
}

fn moved_past(message: String, hint: Option<String>) -> Finding {
    Finding { hint, ..Finding::high("git.target_moved", "", message) }
}
