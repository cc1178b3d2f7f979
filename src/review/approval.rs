//! Shared by approving with a merge and with a pull request.

use git2::Oid;

use super::bundles::Entry;
use super::checks;
use super::decision::{self, Decision, Kind};
use super::input::{JobState, ReviewInput};
use super::target::temp_worktree::TempWorktree;
use crate::base::{Refusal, Result, text};
use crate::foreman::commands::check::Trial;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::run::bundle::Test;
use crate::model::run::outcome::Finding;

/// The result of an approval.
#[derive(Clone, Debug)]
pub enum Approval {
    Merged(Decision),
    /// The bundle was approved earlier, and the approval is complete.
    Before(Decision),
    /// Nothing was merged: files are in conflict. The decision carries the findings for the coder.
    Conflict(Decision),
}

/// Runs `lines` and the tests of the settings on a commit's tree, then checks the record again.
pub fn run_tests(
    hub: &Hub,
    entry: &Entry,
    lines: Vec<String>,
    merged: Oid,
    progress: &dyn Fn(&str),
) -> Result<Vec<Test>> {
    let worktree = TempWorktree::create(hub, &entry.bundle.job, merged)?;
    let trials: Vec<Trial> = worktree.test(&entry.bundle, lines, progress)?;
    drop(worktree);
    // The tests run the work's own code, which could have changed the record.
    checks::record(hub)?;
    Ok(trials.into_iter().map(|trial| trial.test).collect())
}

/// Records that the work conflicts with the target, which sends it back to the coder; nothing is merged. Records nothing
/// when the job was sent back already, or has finished: then a person must merge by hand.
///
/// # Errors
/// `review.conflict` unless the job waits for this decision.
pub fn report_conflict(hub: &Hub, entry: &Entry, input: &ReviewInput, head: Oid, files: &[String]) -> Result<Approval> {
    if input.job != JobState::Open {
        let (commit, target) = (&entry.bundle.commit, text::safe(&entry.bundle.target_branch));
        let refusal = Refusal::guard("review.conflict", format!("{} conflicts with {target}", entry.bundle.short()))
            .because(format!("both changed {}", text::clip(&text::safe(&files.join(", ")), 600)));
        let refusal = match input.job {
            JobState::Continues => refusal
                .next("this job was sent back; its coder merges both changes when it continues: teof run --until-idle"),
            _ => refusal
                .next(format!(
                    "this job has finished, so no agent will resolve the conflict; on {target}, merge by hand: git \
            merge {commit}"
                ))
                .next(format!("then record the approval: teof review approve {}", entry.bundle.short())),
        };
        return Err(refusal.with("files", files.to_vec()).into());
    }
    let mut decision = entry.decide(Kind::Conflict, input, hub.now());
    decision.target_before = Some(head.to_string());
    let finding = |file: &String| {
        let message = format!("conflicts with {} at {head}", entry.bundle.target_branch);
        Finding::high("merge.conflict", file.as_str(), message).hint("merge both changes; keep what the target has")
    };
    decision.findings = files.iter().map(finding).collect();
    record(&mut hub.lock("review approve")?, &decision)?;
    Ok(Approval::Conflict(decision))
}

/// Records a decision in its own transaction.
pub fn record(writer: &mut Writer<'_>, decision: &Decision) -> Result<()> {
    let transaction = Transaction::new(format!("review {} {}", decision.decision.as_str(), decision.job));
    decision::record(writer, transaction, decision).map(drop)
}

/// Refuses a second decision about the same bundle.
pub fn already_decided(done: &Decision) -> Refusal {
    let kind = done.decision.as_str();
    Refusal::guard("review.decided", format!("{} is already decided: {kind}", done.short()))
        .because(format!("by {} at {}", text::safe(&done.by), done.at))
        .next("see what waits for review: teof review list")
}
