//! Finished jobs and the world outside: offered as pull requests, and decisions that nobody sent us.
//!
//! The repository is read through libgit2: no process, whatever its configuration says. Pull requests
//! are asked for seldom; that one was merged or closed is written down at once.

use crate::base::{Result, files};
use crate::coordinator::input::{Reply, ReviewWord, Reviewed};
use crate::coordinator::state::{Job, State};
use crate::hub::Hub;
use crate::model::bundle::Bundle;
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
    let under_review = state.live_jobs().filter(|job| job.is_under_review());
    let seen = under_review.filter_map(|job| {
        let here = bundle(hub, job).ok().flatten().and_then(|bundle| by_hand(hub, job, &bundle).ok().flatten());
        here.or_else(|| if remote { there(hub, job) } else { None })
    });
    seen.collect()
}

/// What became of the job's pull request.
fn there(hub: &Hub, job: &Job) -> Option<Reviewed> {
    job.pull_request?;
    let followed = pull_request::follow(hub, job.last.as_ref()?.bundle.as_deref()?);
    let (word, decision) = match followed.inspect_err(|e| tracing::warn!("{}: {e:#}", job.id)).ok()? {
        Pull::Open => return None,
        Pull::Merged(decision) => {
            let commit = decision.merge_commit.clone().unwrap_or_else(|| decision.reviewed_commit.clone());
            (ReviewWord::Merged { commit }, decision)
        }
        Pull::Closed(decision) => (ReviewWord::Rejected, decision),
    };
    Some(Reviewed { job: job.id.clone(), run: job.run_id(), word, by: format!("by {}", decision.by) })
}

/// A job's bundle, as the foreman left it.
fn bundle(hub: &Hub, job: &Job) -> Result<Option<Bundle>> {
    let Some(path) = job.last.as_ref().and_then(|last| last.bundle.as_deref()) else { return Ok(None) };
    let Some(bytes) = files::read(&hub.path(path)?, files::MAX_DOCUMENT)? else { return Ok(None) };
    Ok(Some(serde_json::from_slice(&bytes)?))
}

/// The target branch has the commit already: a person merged it without a word to us.
fn by_hand(hub: &Hub, job: &Job, bundle: &Bundle) -> Result<Option<Reviewed>> {
    let Some(commit) = job.commit().filter(|commit| *commit != bundle.base_commit) else { return Ok(None) };
    let repo = git2::Repository::open(&hub.git_dir)?;
    let tip = repo.find_reference(&format!("refs/heads/{}", bundle.target_branch))?.peel_to_commit()?.id();
    let id = git2::Oid::from_str(commit)?;
    let merged = tip == id || repo.graph_descendant_of(tip, id)?;
    Ok(merged.then(|| Reviewed {
        job: job.id.clone(),
        run: job.run_id(),
        word: ReviewWord::Merged { commit: commit.to_owned() },
        by: format!("and found on {}", bundle.target_branch),
    }))
}
