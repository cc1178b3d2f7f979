//! An approval: from a person's word to the merged target and its receipt.

use git2::{Oid, Repository};

use super::bundles::{self, Entry};
use super::decision::{self, Decision, Kind};
use super::target::merge::{self, Merged};
use super::target::newer;
use super::target::temp_worktree::{self, Scratch};
use super::target::update_target::{self, Move};
use super::{Word, checks, pull_request};
use crate::base::{Refusal, Result, text};
use crate::foreman::commands::check::Trial;
use crate::guard::operator::{self, Recognised};
use crate::hub::{Act, Hub, Writer};
use crate::model::run::bundle::Test;
use crate::model::run::outcome::Finding;

/// How often the target may move while tests run before it is left to the person.
const ATTEMPTS: usize = 3;

/// What an approval came to.
#[derive(Clone, Debug)]
pub enum Approval {
    Merged(Decision),
    /// It had been approved before, and all of that is done.
    Before(Decision),
    /// Nothing was merged; the files are in conflict, and the decision says what to tell the coder.
    Conflict(Decision),
}

/// Merges the reviewed commit of a bundle and writes the decision down. What an earlier approval did
/// before it was killed is completed, not done again.
///
/// # Errors
/// In a worker's children; for an altered bundle, a target that people are in the way of, tests that do
/// not pass on the merged tree, a record with something wrong. Nothing has moved then.
pub fn approve(hub: &Hub, entry: &Entry, word: &Word, say: &dyn Fn(&str)) -> Result<Approval> {
    operator::require("approve work")?;
    let _lock = super::lock(hub, &format!("review approve {}", entry.bundle.job))?;
    temp_worktree::clean(hub);
    entry.verify()?;
    // Asked anew: whoever had the lock before may have decided.
    let repo = merge::open(hub)?;
    let known = decision::of_bundle(hub, &entry.path)?;
    match known {
        Some(done) if done.decision == Kind::Approved => return Ok(Approval::Before(done)),
        // It was sent back and that came to nothing: what was good before still is.
        Some(done) if matches!(done.decision, Kind::Retry | Kind::Conflict) && !word.goes_back => {}
        Some(done) => return Err(decided(&done).into()),
        None => {}
    }
    if let Some(number) = pull_request::of_job(hub, &entry.bundle.job)? {
        return pull_request::approve(hub, &repo, entry, word, number, say);
    }
    let entry = &newer::chosen(&repo, entry, &word.newer, merge::tip(&repo, &entry.bundle.target_branch)?)?;
    for _ in 0..ATTEMPTS {
        if let Some(done) = attempt(hub, &repo, entry, word, say)? {
            return Ok(done);
        }
        say(&format!("{} moved meanwhile; once more with what is there now", entry.bundle.target_branch));
    }
    Err(Refusal::guard("target.moved", format!("{} keeps moving", entry.bundle.target_branch))
        .because("each time that the tests had passed on the merged tree, there was a new commit")
        .next("approve again when it is quieter; nothing was merged")
        .into())
}

/// One attempt; `None` when the target's code moved while the tests ran.
fn attempt(hub: &Hub, repo: &Repository, entry: &Entry, word: &Word, say: &dyn Fn(&str)) -> Result<Option<Approval>> {
    let bundle = &entry.bundle;
    let commit = merge::reviewed(repo, bundle)?;
    let head = merge::tip(repo, &bundle.target_branch)?;
    if merge::is_merged(repo, head, commit)? {
        say(&format!("{} has the reviewed commit already", bundle.target_branch));
        return complete(hub, repo, entry, word, (head, commit)).map(Some);
    }
    checks::work(hub, repo, bundle)?;
    checks::base(hub, repo, bundle, head)?;
    checks::record(hub)?;
    let ready = match merge::prepare(hub, repo, head, bundle, &word.by)? {
        Merged::Clean(ready) => ready,
        Merged::Conflict(files) => return conflict(hub, entry, word, head, &files).map(Some),
    };
    let what = format!("merge {}", bundle.job);
    let step = Move { branch: &bundle.target_branch, from: head, to: ready, what: &what };
    update_target::rehearse(hub, repo, step)?;
    let lines = checks::tests(bundle)?;
    let tests = tested(hub, entry, lines, ready, say)?;
    let mut writer = hub.lock("review approve")?;
    let now = merge::tip(repo, &bundle.target_branch)?;
    let Some(ready) = still_ready(hub, repo, entry, word, (head, now, ready))? else { return Ok(None) };
    update_target::advance(hub, repo, Move { from: now, to: ready, ..step })?;
    let mut decision = Decision::new(Kind::Approved, entry, word, hub.now());
    decision.target_before = Some(now.to_string());
    decision.merge_commit = Some(ready.to_string());
    decision.tests = tests;
    book(&mut writer, &decision)?;
    Ok(Some(Approval::Merged(decision)))
}

/// Runs tests, and those of the settings, on a commit's tree; the record must be whole afterwards as well.
pub(super) fn tested(
    hub: &Hub,
    entry: &Entry,
    lines: Vec<String>,
    merged: Oid,
    say: &dyn Fn(&str),
) -> Result<Vec<Test>> {
    let scratch = Scratch::make(hub, &entry.bundle.job, merged)?;
    let trials: Vec<Trial> = scratch.test(&entry.bundle, lines, say)?;
    drop(scratch);
    // They are the work's own code, and can write where the record lies.
    checks::record(hub)?;
    Ok(trials.into_iter().map(|trial| trial.test).collect())
}

/// The commit to move to, now that the tests have passed: the one that was tested; the same code on top of
/// record commits that came meanwhile; or `None`.
fn still_ready(
    hub: &Hub,
    repo: &Repository,
    entry: &Entry,
    word: &Word,
    (head, now, tested): (Oid, Oid, Oid),
) -> Result<Option<Oid>> {
    if now == head {
        return Ok(Some(tested));
    }
    if !merge::is_merged(repo, now, head)? || !merge::differ_in_record_only(repo, head, now)? {
        return Ok(None);
    }
    match merge::prepare(hub, repo, now, &entry.bundle, &word.by)? {
        Merged::Clean(again) if merge::differ_in_record_only(repo, tested, again)? => Ok(Some(again)),
        _ => Ok(None),
    }
}

/// Writes down that a bundle's commit is on its target although nobody approved it here: a person merged it by
/// hand. `None` while it is not there, or while somebody decides about work at this moment.
///
/// # Errors
/// As [`approve`] where bundle and target are read.
pub fn found_merged(hub: &Hub, bundle: &str) -> Result<Option<Decision>> {
    let entry = bundles::at(hub, bundle)?;
    entry.verify()?;
    let repo = merge::open(hub)?;
    let commit = merge::reviewed(&repo, &entry.bundle)?;
    if entry.bundle.commit == entry.bundle.base_commit {
        return Ok(None);
    }
    let head = merge::tip(&repo, &entry.bundle.target_branch)?;
    if !merge::is_merged(&repo, head, commit)? {
        return Ok(None);
    }
    let Ok(_lock) = super::lock(hub, "note a merge by hand") else { return Ok(None) };
    if let Some(done) = decision::of_bundle(hub, bundle)? {
        return Ok(Some(done));
    }
    let by = format!("somebody, found on {}", entry.bundle.target_branch);
    let (recognised, newer) = (Recognised::Neither, newer::Newer::Leave);
    let word = Word { by, recognised, note: None, goes_back: false, redo: false, newer };
    match complete(hub, &repo, &entry, &word, (head, commit))? {
        Approval::Merged(decision) | Approval::Before(decision) | Approval::Conflict(decision) => Ok(Some(decision)),
    }
}

/// Merged by hand, or by an approval that was killed before it could write it down.
fn complete(hub: &Hub, repo: &Repository, entry: &Entry, word: &Word, (head, commit): (Oid, Oid)) -> Result<Approval> {
    let mut decision = Decision::new(Kind::Approved, entry, word, hub.now());
    if let Some((by, before)) = merge::came_with(repo, head, commit)? {
        decision.merge_commit = Some(by.to_string());
        decision.target_before = Some(before.to_string());
    }
    book(&mut hub.lock("review approve")?, &decision)?;
    Ok(Approval::Merged(decision))
}

/// Nothing is merged: the coder is told what its work is in conflict with. Where nobody would hear it, nothing
/// is written down either: it is the person's to bring both together.
pub(super) fn conflict(hub: &Hub, entry: &Entry, word: &Word, head: Oid, files: &[String]) -> Result<Approval> {
    if !word.goes_back {
        let (commit, target) = (&entry.bundle.commit, text::safe(&entry.bundle.target_branch));
        return Err(Refusal::guard("review.conflict", format!("{} is in conflict with {target}", entry.bundle.job))
            .because(format!("both changed {}", text::clip(&text::safe(&files.join(", ")), 600)))
            .next(format!("its job is over: bring both together by hand, on {target}: git merge {commit}"))
            .next(format!("then it is approved with: teof review approve {}", entry.bundle.job))
            .with("files", files.to_vec())
            .into());
    }
    let mut decision = Decision::new(Kind::Conflict, entry, word, hub.now());
    decision.target_before = Some(head.to_string());
    let finding = |file: &String| {
        let message = format!("in conflict with {} at {head}", entry.bundle.target_branch);
        Finding::high("merge.conflict", file.as_str(), message)
            .hint("bring both changes together; what the target has is not to be lost")
    };
    decision.findings = files.iter().map(finding).collect();
    book(&mut hub.lock("review approve")?, &decision)?;
    Ok(Approval::Conflict(decision))
}

fn book(writer: &mut Writer<'_>, decision: &Decision) -> Result<()> {
    let act = Act::new(format!("review {} {}", decision.decision.as_str(), decision.job));
    decision::perform(writer, act, decision).map(drop)
}

/// A second word about the same bundle.
pub(super) fn decided(done: &Decision) -> Refusal {
    let kind = done.decision.as_str();
    Refusal::guard("review.decided", format!("{} was decided about: {kind}", done.job))
        .because(format!("by {} at {}", text::safe(&done.by), done.at))
        .next("see what waits: teof review list")
}
