//! Saying no: for good, or to have it done again. Nothing of the branch is touched.

use super::bundles::Entry;
use super::decision::{self, Decision, Kind};
use super::target::merge;
use super::{Word, approve, pull_request};
use crate::base::{Refusal, Result};
use crate::guard::operator;
use crate::hub::{Act, Hub};
use crate::model::run::outcome::Finding;

/// Writes down that the work is not wanted; the word's note says why. An open pull request of it is closed;
/// where that fails it is told, and the no stands.
///
/// # Errors
/// In a worker's children; without a note; when it was approved, or the target has it already.
pub fn reject(hub: &Hub, entry: &Entry, word: &Word) -> Result<Decision> {
    let decision = decide(hub, entry, word, Kind::Rejected)?;
    if let Err(e) = pull_request::close(hub, &entry.bundle.job) {
        let why = Refusal::of(&e).and_then(|refusal| refusal.reason.as_deref()).unwrap_or_default();
        tracing::warn!("the pull request is not closed ({e:#}: {why}); close it there, or reject it once more");
    }
    Ok(decision)
}

/// Writes down that the work is to be done again; the note is what the coder is told.
///
/// # Errors
/// As [`reject`].
pub fn retry(hub: &Hub, entry: &Entry, word: &Word) -> Result<Decision> {
    decide(hub, entry, word, Kind::Retry)
}

fn decide(hub: &Hub, entry: &Entry, word: &Word, kind: Kind) -> Result<Decision> {
    operator::require("decide about work")?;
    let _lock = super::lock(hub, &format!("review {} {}", kind.as_str(), entry.bundle.job))?;
    let Some(note) = word.note.as_deref().filter(|note| !note.trim().is_empty()) else {
        return Err(Refusal::usage("review.no_note", "a no needs a note that says why").next("--note \"…\"").into());
    };
    match decision::of_bundle(hub, &entry.path)? {
        // The same word again: completed by whoever asks, written once.
        Some(done) if done.decision == kind => return Ok(done),
        Some(done) => return Err(approve::decided(&done).into()),
        None => {}
    }
    let repo = merge::open(hub)?;
    if let (Ok(target), Ok(commit)) =
        (merge::tip(&repo, &entry.bundle.target_branch), merge::reviewed(&repo, &entry.bundle))
        && merge::is_merged(&repo, target, commit)?
    {
        return Err(merged(entry, &format!("{} has the reviewed commit", entry.bundle.target_branch)).into());
    }
    if kind == Kind::Rejected && pull_request::is_merged_there(hub, &entry.bundle.job)? {
        return Err(merged(entry, "its pull request was merged").into());
    }
    let mut decision = Decision::new(kind, entry, word, hub.now());
    if kind == Kind::Retry {
        decision.findings = vec![Finding::high("review.retry", "", note)];
    }
    let act = Act::new(format!("review {} {}", kind.as_str(), entry.bundle.job));
    decision::perform(&mut hub.lock("review")?, act, &decision)?;
    Ok(decision)
}

/// A no that comes too late.
fn merged(entry: &Entry, why: &str) -> Refusal {
    let job = &entry.bundle.job;
    Refusal::guard("review.merged", format!("{job} is merged already"))
        .because(why)
        .next(format!("complete its approval: teof review approve {job}"))
        .next(format!("or then take it back: teof review revert {job}"))
}
