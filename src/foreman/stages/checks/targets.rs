//! The branches that only people and the coordinator may move, and whether a worker moved one.

use std::collections::BTreeSet;

use git2::Repository;

use crate::base::Result;
use crate::foreman::reporting::report::Report;
use crate::guard::moved_target::{self, Moved, What};
use crate::guard::result::{self, Surroundings, surroundings};
use crate::hub::Hub;
use crate::model::run::order::Order;
use crate::model::run::outcome::Finding;

/// The order's target and the record's branch, which differ when the record has its own branch.
pub fn of(hub: &Hub, order: &Order) -> BTreeSet<String> {
    hub.branch().into_iter().chain(Some(order.target_branch.clone())).filter(|name| !name.is_empty()).collect()
}

/// Reports a target that the worker moved, or that was rewritten during the run; `known` is what was before it. A move
/// that no person made in a checkout is recorded as moved, so that nothing is built on it.
pub fn moved(hub: &Hub, report: &Report, target: &str, known: &Surroundings) -> Result<Option<Finding>> {
    let place = report.place()?;
    let before = surroundings::target_before(known, target);
    let own: Vec<_> = place.checkpoints.iter().map(|done| done.commit).collect();
    let repo = Repository::open_bare(&hub.common_dir)?;
    let tip = repo.refname_to_id(&format!("refs/heads/{target}")).ok();
    let is_other = tip.is_none_or(|tip| before != Some(tip) && moved_target::past_checkout(hub, target));
    let past = is_other && !surroundings::rebooted(known);
    let landed = result::landed(&place.git_dir, place.base, &own, target, before)?;
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
        let work = report.work;
        let (job, task) = (work.job().to_owned(), work.order.task_id.clone());
        let (branch, commit) = (target.to_owned(), commit.to_string());
        moved_target::note(hub, Moved { branch, commit, what, job, task, at: hub.now() })?;
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
