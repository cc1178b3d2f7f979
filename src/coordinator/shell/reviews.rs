//! Finished jobs and the world outside: offered as pull requests, and decisions that nobody sent us.
//!
//! The repository is read through libgit2: no process, whatever its configuration says. Pull requests
//! are asked for seldom; that one was merged or closed is written down at once.

use crate::base::Result;
use crate::coordinator::input::{Reply, ReviewWord, Reviewed};
use crate::coordinator::state::{Job, State};
use crate::hub::Hub;
use crate::review;
use crate::review::decision::{self, Decision, Kind};
use crate::review::pull_request::{self, State as Pull};

/// Offers a job's result as a pull request, where that is wanted and possible.
pub fn deliver(hub: &Hub, job: &Job) -> Result<Reply> {
    let bundle = job.last.as_ref().and_then(|last| last.bundle.as_deref());
    let offered = bundle.map_or(Ok(None), |bundle| pull_request::deliver(hub, bundle))?;
    Ok(Reply::Delivered { pull_request: offered.map(|offered| offered.number) })
}

/// The jobs under review that somebody has decided about; with `remote`, pull requests are asked for too.
/// What cannot be read is left for the next look.
pub fn found(hub: &Hub, state: &State, remote: bool) -> Vec<Reviewed> {
    let jobs: Vec<_> = state.live_jobs().filter(|job| job.is_under_review()).collect();
    if jobs.is_empty() {
        return Vec::new();
    }
    let decided = decision::history(hub).unwrap_or_default();
    let seen = jobs.into_iter().filter_map(|job| {
        let bundle = job.last.as_ref()?.bundle.as_deref()?;
        let known = decided.iter().rfind(|decision| decision.bundle == bundle).cloned();
        let known = known.or_else(|| by_hand(hub, bundle));
        known.and_then(|decision| heard(job, &decision)).or_else(|| if remote { there(hub, job) } else { None })
    });
    seen.collect()
}

/// What a decision tells the coordinator; nothing when it took back what is over.
pub fn word(decision: &Decision) -> Option<ReviewWord> {
    Some(match decision.decision {
        Kind::Approved => {
            let commit = decision.merge_commit.clone().unwrap_or_else(|| decision.reviewed_commit.clone());
            ReviewWord::Merged { commit }
        }
        Kind::Rejected => ReviewWord::Rejected,
        kind @ (Kind::Retry | Kind::Conflict) => {
            ReviewWord::Rework { findings: decision.findings.clone(), fresh: kind == Kind::Retry }
        }
        Kind::Reverted => return None,
    })
}

/// A decision that was written down and whose letter never came: a kill may lie between the two.
fn heard(job: &Job, decision: &Decision) -> Option<Reviewed> {
    let word = word(decision)?;
    let note = decision.note.as_deref().map(|note| format!(": {note}")).unwrap_or_default();
    Some(Reviewed { job: job.id.clone(), run: job.run_id(), word, by: format!("by {}{note}", decision.by) })
}

/// A person merged it without a word to us: that is an approval, written down once.
fn by_hand(hub: &Hub, bundle: &str) -> Option<Decision> {
    let found = review::approve::found_merged(hub, bundle);
    found.inspect_err(|e| tracing::warn!("{bundle}: {e:#}")).ok()?
}

/// What became of the job's pull request.
fn there(hub: &Hub, job: &Job) -> Option<Reviewed> {
    job.pull_request?;
    let followed = pull_request::follow(hub, job.last.as_ref()?.bundle.as_deref()?);
    match followed.inspect_err(|e| tracing::warn!("{}: {e:#}", job.id)).ok()? {
        Pull::Open => None,
        Pull::Merged(decision) | Pull::Closed(decision) => heard(job, &decision),
    }
}
