//! Decisions about finished jobs that nobody sent us: what the repository shows.
//!
//! Only looks. Read through libgit2: no process, whatever the repository's configuration says.

use crate::base::{Result, files};
use crate::coordinator::input::{ReviewWord, Reviewed};
use crate::coordinator::state::{Job, State};
use crate::hub::Hub;
use crate::model::bundle::Bundle;

/// The jobs under review that somebody has decided about. What cannot be read is left for the next look.
pub fn found(hub: &Hub, state: &State) -> Vec<Reviewed> {
    let under_review = state.live_jobs().filter(|job| job.is_under_review());
    let bundles = under_review.filter_map(|job| Some((job, bundle(hub, job).ok().flatten()?)));
    bundles.filter_map(|(job, bundle)| by_hand(hub, job, &bundle).ok().flatten()).collect()
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
