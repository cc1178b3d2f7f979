//! Approves finished work: merges the reviewed commit into the target and records the decision.

use git2::{Oid, Repository};

use super::approval::{self, Approval};
use super::bundles::{self, Entry};
use super::decision::{self, Decision, Kind};
use super::input::{JobState, NewerCommits, ReviewInput};
use super::target::landed::{self, Landed};
use super::target::merge::{self, Merged};
use super::target::ref_move::RefMove;
use super::target::{newer, temp_worktree, update_target};
use super::{checks, lock, policy, pull_request};
use crate::base::{Refusal, Result};
use crate::guard::moved_target;
use crate::guard::operator::{self, Recognised};
use crate::hub::Hub;
use crate::model::run::bundle::Bundle;

/// How often approval retries when the target moves while tests run.
const ATTEMPTS: usize = 3;

/// Merges the reviewed commit of a bundle and records the decision. Completes an interrupted approval without
/// repeating its finished parts.
///
/// # Errors
/// In a worker's children; for what a policy must not decide ([`policy::check`]); for an altered bundle, files of
/// people in the way, tests that fail on the merged tree, or findings in the record. Then nothing has moved.
pub fn approve(hub: &Hub, entry: &Entry, input: &ReviewInput, progress: &dyn Fn(&str)) -> Result<Approval> {
    if input.policy.is_none() {
        operator::require("approve work")?;
    }
    let _lock = lock::acquire(hub, &format!("review approve {}", entry.bundle.short()))?;
    temp_worktree::clean(hub);
    entry.verify()?;
    // Read under the lock: the previous holder may have decided.
    let repo = merge::open(hub)?;
    let known = decision::of_bundle(hub, &entry.bundle.job, &entry.path)?;
    match known {
        Some(done) if done.decision == Kind::Approved => return Ok(Approval::Before(done)),
        // It was sent back and its job ended without a new result; the reviewed commit can still be merged.
        Some(done) if done.decision.sends_back() && input.job != JobState::Open => {}
        Some(done) => return Err(approval::already_decided(&done).into()),
        None => {}
    }
    allowed(hub, &repo, entry, input)?;
    if let Some(number) = pull_request::of_job(hub, &entry.bundle.job)? {
        return pull_request::approve(hub, &repo, entry, input, number, progress);
    }
    let entry = &newer::select(&repo, entry, &input.newer, merge::tip(&repo, &entry.bundle.target_branch)?)?;
    for _ in 0..ATTEMPTS {
        if let Some(done) = attempt(hub, &repo, entry, input, progress)? {
            return Ok(done);
        }
        progress(&format!("{} moved meanwhile; trying again on the new commit", entry.bundle.target_branch));
    }
    Err(Refusal::guard("target.moved", format!("{} keeps changing", entry.bundle.target_branch))
        .because("each time the tests passed on the merged tree, the branch had a new commit")
        .next("approve again later; nothing was merged")
        .into())
}

/// Whether the policy, if one decides, still says yes.
fn allowed(hub: &Hub, repo: &Repository, entry: &Entry, input: &ReviewInput) -> Result<()> {
    input.policy.as_ref().map_or(Ok(()), |policy| policy::check(hub, repo, entry, policy))
}

/// One attempt; `None` when the target's code moved while the tests ran.
fn attempt(
    hub: &Hub,
    repo: &Repository,
    entry: &Entry,
    input: &ReviewInput,
    progress: &dyn Fn(&str),
) -> Result<Option<Approval>> {
    let bundle = &entry.bundle;
    let head = merge::tip(repo, &bundle.target_branch)?;
    if let Some(landed) = landed::find(repo, head, bundle)? {
        progress(&format!("{} already has the reviewed work", bundle.target_branch));
        return record_merge(hub, entry, input, landed).map(Some);
    }
    checks::work(hub, repo, bundle)?;
    checks::base(hub, repo, bundle, head)?;
    checks::record(hub)?;
    let ready = match merge::prepare(hub, repo, head, bundle, &input.by)? {
        Merged::Clean(ready) => ready,
        Merged::Conflict(_) if input.policy.is_some() => return Ok(None),
        Merged::Conflict(files) => return approval::report_conflict(hub, entry, input, head, &files).map(Some),
    };
    let what = format!("merge {}", bundle.short());
    let step = RefMove { branch: &bundle.target_branch, from: head, to: ready, what: &what };
    if ready != head {
        update_target::dry_run(hub, repo, step)?;
    }
    let lines = checks::tests(bundle)?;
    let tests = approval::run_tests(hub, entry, lines, ready, progress)?;
    // Signing may wait for a person to unlock the key, so it happens before the bus lock is taken.
    let (mut writer, now, ready) = loop {
        let now = merge::tip(repo, &bundle.target_branch)?;
        let Some(ready) = still_ready(hub, repo, entry, input, (head, now, ready))? else { return Ok(None) };
        let writer = hub.lock("review approve")?;
        if merge::tip(repo, &bundle.target_branch)? == now {
            break (writer, now, ready);
        }
    };
    // Tests take long: what a person, or a worker, did meanwhile counts.
    allowed(hub, repo, entry, input)?;
    checks::interruptions(hub, bundle)?;
    let mut decision = entry.decide(Kind::Approved, input, hub.now());
    decision.target_before = Some(now.to_string());
    // Work that adds nothing to the target creates no commit.
    if ready != now {
        update_target::update(hub, repo, RefMove { from: now, to: ready, ..step })?;
        decision.merge_commit = Some(ready.to_string());
    }
    decision.tests = tests;
    approval::record(&mut writer, &decision)?;
    Ok(Some(Approval::Merged(decision)))
}

/// The commit to move to after the tests passed: the tested one, or the same code on top of new record commits.
/// `None` when the code changed.
fn still_ready(
    hub: &Hub,
    repo: &Repository,
    entry: &Entry,
    input: &ReviewInput,
    (head, now, tested): (Oid, Oid, Oid),
) -> Result<Option<Oid>> {
    if now == head {
        return Ok(Some(tested));
    }
    if !merge::is_merged(repo, now, head)? || !merge::differ_in_record_only(repo, head, now)? {
        return Ok(None);
    }
    match merge::prepare(hub, repo, now, &entry.bundle, &input.by)? {
        Merged::Clean(again) if merge::differ_in_record_only(repo, tested, again)? => Ok(Some(again)),
        _ => Ok(None),
    }
}

/// Records that a person merged a bundle's commit by hand. `None` when the target does not have it or another process
/// holds the review lock.
///
/// # Errors
/// As [`approve`] where bundle and target are read.
pub fn found_merged(hub: &Hub, bundle: &str) -> Result<Option<Decision>> {
    let repo = merge::open(hub)?;
    let landed = |bundle: &Bundle| landed::find(&repo, merge::tip(&repo, &bundle.target_branch)?, bundle);
    // Of most results nobody merged anything: the record is not read for them.
    if landed(&bundles::unverified(hub, bundle)?)?.is_none() {
        return Ok(None);
    }
    let entry = bundles::at(hub, bundle)?;
    entry.verify()?;
    let Some(landed) = landed(&entry.bundle)? else { return Ok(None) };
    // A worker that moved the target approves nothing by that.
    if moved_target::check(hub, &entry.bundle.target_branch, "merged").is_err() {
        return Ok(None);
    }
    let Ok(_lock) = lock::acquire(hub, "record a merge by hand") else { return Ok(None) };
    if let Some(done) = decision::of_bundle(hub, &entry.bundle.job, bundle)? {
        return Ok(Some(done));
    }
    let by = format!("unknown, found on {}", entry.bundle.target_branch);
    let (recognised, newer) = (Recognised::Neither, NewerCommits::Leave);
    let input = ReviewInput { by, recognised, note: None, job: JobState::Finished, redo: false, newer, policy: None };
    match record_merge(hub, &entry, &input, landed)? {
        Approval::Merged(decision) | Approval::Before(decision) | Approval::Conflict(decision) => Ok(Some(decision)),
    }
}

/// The priority of a store of objects that is asked and written before those of git.
const IN_MEMORY: i32 = 999;

/// Whether the target lacks the work of a bundle: nobody merged it, and merging it would change something. Where that
/// cannot be told, it is. Writes nothing.
pub fn is_missing(hub: &Hub, entry: &Entry) -> bool {
    let bundle = &entry.bundle;
    let is_there = || -> Result<bool> {
        let repo = merge::open(hub)?;
        let odb = repo.odb()?;
        // A merge leaves objects; these stay in memory.
        let _in_memory = odb.add_new_mempack_backend(IN_MEMORY)?;
        let head = merge::tip(&repo, &bundle.target_branch)?;
        if landed::find(&repo, head, bundle)?.is_some() {
            return Ok(true);
        }
        merge::has_work(&repo, bundle, head, merge::reviewed(&repo, bundle)?)
    };
    bundle.commit != bundle.base_commit && !is_there().unwrap_or(false)
}

/// Records a merge made by hand, or by an approval that was killed before recording it.
fn record_merge(hub: &Hub, entry: &Entry, input: &ReviewInput, landed: Landed) -> Result<Approval> {
    let mut decision = entry.decide(Kind::Approved, input, hub.now());
    decision.reviewed_commit = landed.work.to_string();
    if let Some((by, before)) = landed.by {
        decision.merge_commit = Some(by.to_string());
        decision.target_before = Some(before.to_string());
    }
    approval::record(&mut hub.lock("review approve")?, &decision)?;
    Ok(Approval::Merged(decision))
}
