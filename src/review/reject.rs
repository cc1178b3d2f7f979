//! Rejects finished work, or sends it back to be done again. The branch stays as it is.

use super::bundles::Entry;
use super::decision::{self, Decision, Kind};
use super::input::ReviewInput;
use super::target::{landed, merge};
use super::{approval, lock, pull_request};
use crate::base::{Refusal, Result};
use crate::guard::operator;
use crate::hub::{Hub, Transaction};
use crate::model::run::outcome::Finding;

/// Records that the work is rejected; the note says why. Closes its open pull request; a failure to do so is a
/// warning, and the rejection stands.
///
/// # Errors
/// In a worker's children; without a note; when it was approved or the target already has it.
pub fn reject(hub: &Hub, entry: &Entry, input: &ReviewInput) -> Result<Decision> {
    let decision = decide(hub, entry, input, Kind::Rejected)?;
    if let Err(e) = pull_request::close(hub, &entry.bundle.job) {
        let why = Refusal::of(&e).and_then(|refusal| refusal.reason.as_deref()).unwrap_or_default();
        tracing::warn!("cannot close the pull request ({e:#}: {why}); close it there or reject again");
    }
    Ok(decision)
}

/// Records that the work goes back to the coder with the note, or one more note of work that already goes back.
///
/// # Errors
/// As [`reject`].
pub fn retry(hub: &Hub, entry: &Entry, input: &ReviewInput) -> Result<Decision> {
    decide(hub, entry, input, Kind::Retry)
}

fn decide(hub: &Hub, entry: &Entry, input: &ReviewInput, kind: Kind) -> Result<Decision> {
    operator::require("decide about work")?;
    let _lock = lock::acquire(hub, &format!("review {} {}", kind.as_str(), entry.bundle.short()))?;
    let Some(note) = input.note.as_deref().filter(|note| !note.trim().is_empty()) else {
        return Err(Refusal::usage("review.no_note", "a rejection needs a note with the reason")
            .next(
                "--note \
            \"…\"",
            )
            .into());
    };
    match decision::of_bundle(hub, &entry.bundle.job, &entry.path)? {
        // Another note of work that goes back is a decision of its own: the coder gets both.
        Some(done) if kind == Kind::Retry && done.decision.sends_back() && done.note.as_deref() != Some(note) => {}
        // Repeated: recorded only once.
        Some(done) if done.decision == kind => return Ok(done),
        Some(done) => return Err(approval::already_decided(&done).into()),
        None => {}
    }
    let repo = merge::open(hub)?;
    if let (Ok(target), Ok(_)) = (merge::tip(&repo, &entry.bundle.target_branch), merge::reviewed(&repo, &entry.bundle))
        && landed::find(&repo, target, &entry.bundle)?.is_some()
    {
        return Err(already_merged(
            entry,
            &format!(
                "{} already has the reviewed \
            work",
                entry.bundle.target_branch
            ),
        )
        .into());
    }
    if kind == Kind::Rejected && pull_request::is_merged_there(hub, &entry.bundle.job)? {
        return Err(already_merged(entry, "its pull request was merged").into());
    }
    let mut decision = entry.decide(kind, input, hub.now());
    if kind == Kind::Retry {
        decision.findings = vec![Finding::high("review.retry", "", note)];
    }
    let transaction = Transaction::new(format!("review {} {}", kind.as_str(), entry.bundle.job));
    decision::record(&mut hub.lock("review")?, transaction, &decision)?;
    Ok(decision)
}

/// Refuses a rejection that comes after the merge.
fn already_merged(entry: &Entry, why: &str) -> Refusal {
    let job = entry.bundle.short();
    Refusal::guard("review.merged", format!("{job} is already merged"))
        .because(why)
        .next(format!("record its approval: teof review approve {job}"))
        .next(format!("to undo it after that: teof review revert {job}"))
}
