//! Reverts a merge: commits the inverse change and reopens the step.

use git2::{Commit, Oid, Repository};

use crate::base::{Refusal, Result, text};
use crate::guard::operator;
use crate::hub::git::{ancestry, object_ids};
use crate::hub::{Hub, Transaction, Writer};
use crate::model::backlog::ItemStatus;
use crate::model::plan::Status;
use crate::plans;
use crate::plans::requests::vault;
use crate::plans::{backlog, edit};
use crate::review::bundles::Entry;
use crate::review::decision::{self, Decision, Kind};
use crate::review::input::ReviewInput;
use crate::review::target::merge::{self, Merged};
use crate::review::target::message::TRAILER_REVERTS;
use crate::review::target::ref_move::RefMove;
use crate::review::target::{landed, temp_worktree, update_target};
use crate::review::{approval, checks, lock, pull_request};

/// Limit on the commits of one piece of work.
const MOST: usize = 500;
/// How many of them a refusal lists.
const NAMED: usize = 10;

/// Reverts the merge of a job on its target and reopens its step and its backlog item.
///
/// # Errors
/// When the job was not approved; when later work depends on it (`review.conflict`); and as
/// [`approve`](crate::review::approve). Then nothing has moved.
pub fn revert(hub: &Hub, entry: &Entry, input: &ReviewInput, progress: &dyn Fn(&str)) -> Result<Decision> {
    operator::require("revert work")?;
    let bundle = &entry.bundle;
    let _lock = lock::acquire(hub, &format!("review revert {}", bundle.short()))?;
    temp_worktree::clean(hub);
    let repo = merge::open(hub)?;
    let merged = match decision::of_bundle(hub, &entry.bundle.job, &entry.path)? {
        Some(done) if done.decision == Kind::Reverted => return Ok(done),
        Some(done) if done.decision == Kind::Approved => done,
        _ => {
            return Err(Refusal::guard("review.not_merged", format!("{} was not approved", bundle.short()))
                .because("only merged work can be reverted")
                .next("list decided work: teof review list --all")
                .into());
        }
    };
    let span = span(hub, &repo, entry, &merged)?;
    let head = merge::tip(&repo, &bundle.target_branch)?;
    if !merge::is_merged(&repo, head, span.1)? {
        return Err(not_on_target(entry, span.1).into());
    }
    if let Some(done) = reverted_by(&repo, head, span.1)? {
        progress(&format!("{done} already reverts it"));
        let mut writer = hub.lock("review revert")?;
        let transaction = reopen(&writer, entry, input, done)?;
        return record(&mut writer, transaction, entry, input, (done, None));
    }
    checks::record(hub)?;
    let ready = match merge::prepare_revert(hub, &repo, head, span, bundle, input)? {
        Merged::Clean(ready) => ready,
        Merged::Conflict(files) => return Err(conflicts(entry, &files).into()),
    };
    let what = format!("revert {}", bundle.short());
    let step = RefMove { branch: &bundle.target_branch, from: head, to: ready, what: &what };
    update_target::dry_run(hub, &repo, step)?;
    // The bundle's own tests may test the reverted work.
    approval::run_tests(hub, entry, Vec::new(), ready, progress)?;
    let (mut writer, now, ready) = on_newest_tip(hub, &repo, entry, input, span, (head, ready))?;
    // First, so that a plan that cannot be reopened stops the revert before anything moves.
    let transaction = reopen(&writer, entry, input, ready)?;
    update_target::update(hub, &repo, RefMove { from: now, to: ready, ..step })?;
    record(&mut writer, transaction, entry, input, (ready, Some(now)))
}

/// Takes the bus lock with the revert on top of the target's current tip; returns that tip and the revert. `made`: the
/// tip and the revert that were tested.
fn on_newest_tip<'h>(
    hub: &'h Hub,
    repo: &Repository,
    entry: &Entry,
    input: &ReviewInput,
    span: (Oid, Oid),
    made: (Oid, Oid),
) -> Result<(Writer<'h>, Oid, Oid)> {
    let (bundle, (head, ready)) = (&entry.bundle, made);
    // Signed before taking the lock, as in an approval.
    loop {
        let now = merge::tip(repo, &bundle.target_branch)?;
        let ready = match now == head {
            true => ready,
            false if merge::is_merged(repo, now, head)? && merge::differ_in_record_only(repo, head, now)? => {
                match merge::prepare_revert(hub, repo, now, span, bundle, input)? {
                    Merged::Clean(ready) => ready,
                    Merged::Conflict(files) => return Err(conflicts(entry, &files).into()),
                }
            }
            false => {
                return Err(Refusal::guard("target.moved", format!("{} moved meanwhile", bundle.target_branch))
                    .next("run the revert again; it will use the new commit")
                    .into());
            }
        };
        let writer = hub.lock("review revert")?;
        if merge::tip(repo, &bundle.target_branch)? == now {
            return Ok((writer, now, ready));
        }
    }
}

/// The commits before and after the merge.
fn span(hub: &Hub, repo: &Repository, entry: &Entry, merged: &Decision) -> Result<(Oid, Oid)> {
    let id = |text: &Option<String>| text.as_deref().and_then(|id| object_ids::parse(id).ok());
    let Some(after) = id(&merged.merge_commit) else {
        return Err(Refusal::guard(
            "review.no_merge_commit",
            format!("{} was merged without its own commit", merged.short()),
        )
        .because("the target was fast-forwarded by hand, or already had its changes")
        .next("find its commits with git log, and revert them by hand")
        .into());
    };
    let Ok(commit) = repo.find_commit(after) else { return Err(not_on_target(entry, after).into()) };
    match commit.parent_count() {
        1 if landed::is_of(&commit, &entry.bundle) => Ok((commit.parent_id(0)?, after)),
        0 | 1 => Ok((before_first(hub, repo, entry, merged, &commit)?, after)),
        _ => {
            let before = commit.parent_id(0)?;
            let more = other_commits(repo, before, &known(hub, repo, entry, merged)?, after)?;
            match more.is_empty() {
                true => Ok((before, after)),
                false => Err(merge_has_more(entry, after, &more).into()),
            }
        }
    }
}

/// The commits that represent the work: reviewed, decided, offered.
fn known(hub: &Hub, repo: &Repository, entry: &Entry, merged: &Decision) -> Result<Vec<Oid>> {
    let offered = pull_request::read(hub, &entry.bundle.job)?.map(|ours| ours.commit);
    let others = [Some(&merged.reviewed_commit), offered.as_ref()].into_iter().flatten();
    let others = others.filter_map(|hex| Some(repo.find_commit(object_ids::parse(hex).ok()?).ok()?.id()));
    Ok([merge::reviewed(repo, &entry.bundle)?].into_iter().chain(others).collect())
}

/// Commits that a merge brought besides the reviewed work: a person may have merged it together with their own.
fn other_commits(repo: &Repository, before: Oid, known: &[Oid], merge: Oid) -> Result<Vec<Oid>> {
    let hidden: Vec<Oid> = known.iter().chain([&before]).copied().collect();
    let found = ancestry::only_in(repo, merge, &hidden, MOST)?;
    Ok(found.into_iter().filter(|id| *id != merge).collect())
}

fn merge_has_more(entry: &Entry, merge: Oid, more: &[Oid]) -> Refusal {
    let shown: Vec<_> = more.iter().take(NAMED).map(Oid::to_string).collect();
    Refusal::guard("review.unclear_merge", format!("{merge} contains more than the work of {}", entry.bundle.short()))
        .because(format!("it was made by hand and has {} more:\n{}", more.len(), shown.join("\n")))
        .next(format!("revert the unwanted commits by hand: git log {merge}^1..{merge}"))
}

/// The target's commit before work that came in without a merge: as one commit (squashed) or several (rebased), of
/// which the decision names the last.
fn before_first(hub: &Hub, repo: &Repository, entry: &Entry, merged: &Decision, last: &Commit) -> Result<Oid> {
    let reviewed = merge::reviewed(repo, &entry.bundle)
        .and_then(|own| Ok(known(hub, repo, entry, merged)?.pop().unwrap_or(own)))?;
    let most = merge::distance(repo, object_ids::parse(&entry.bundle.base_commit)?, reviewed)?.min(MOST);
    let (mut line, mut at) = (Vec::new(), last.clone());
    while line.len() < most && at.parent_count() == 1 && !merge::is_merged(repo, reviewed, at.id())? {
        let before = at.parent(0)?;
        line.push(at);
        at = before;
    }
    // Try all of them first: the last commit alone may also match the reviewed work.
    for commit in line.iter().rev() {
        let before = commit.parent_id(0)?;
        if merge::tree_of_work(repo, &entry.bundle, before, reviewed)? == Some(last.tree_id()) {
            return Ok(before);
        }
    }
    if let (1, [only], true) = (most, &line[..], merged.findings.is_empty()) {
        return Ok(only.parent_id(0)?);
    }
    Err(unclear(entry, last, &line).into())
}

fn unclear(entry: &Entry, last: &Commit, line: &[Commit]) -> Refusal {
    let (job, target) = (entry.bundle.short(), &entry.bundle.target_branch);
    let name = |commit: &Commit| {
        let subject = text::clip(&text::safe(commit.summary().ok().flatten().unwrap_or_default()), 60);
        format!("{} {subject}", commit.id())
    };
    let shown: Vec<_> = line.iter().take(NAMED).map(name).collect();
    Refusal::guard("review.unclear_merge", format!("cannot determine which commits of {target} are the work of {job}"))
        .because(format!(
            "it was merged without a merge commit and differs from the reviewed work; {} is its last commit:\n{}",
            last.id(),
            shown.join("\n")
        ))
        .next(format!("find its commits: git log {}", last.id()))
        .next("revert them by hand, the last one first")
}

fn not_on_target(entry: &Entry, after: Oid) -> Refusal {
    Refusal::guard("review.not_merged", format!("{} does not have the work", entry.bundle.target_branch))
        .because(format!("the local branch does not contain {after}"))
        .next("update the branch first: git pull")
}

/// The first-parent commit that already reverts `after`: an interrupted earlier revert.
fn reverted_by(repo: &Repository, head: Oid, after: Oid) -> Result<Option<Oid>> {
    let mut at = repo.find_commit(head)?;
    while at.id() != after {
        let trailers = git2::message_trailers_strs(at.message().unwrap_or_default())?;
        if trailers.iter().any(|(key, value)| key == TRAILER_REVERTS && value == after.to_string()) {
            return Ok(Some(at.id()));
        }
        match at.parent(0) {
            Ok(before) => at = before,
            Err(_) => break,
        }
    }
    Ok(None)
}

/// Stages what a revert reopens: the step, and the backlog item. Without `redo` they are blocked, so that nobody starts
/// the work.
fn reopen(writer: &Writer<'_>, entry: &Entry, input: &ReviewInput, commit: Oid) -> Result<Transaction> {
    let (hub, bundle) = (writer.hub(), &entry.bundle);
    let mut transaction = Transaction::new(format!("review revert {}", bundle.job));
    if let (Some(plan), Some(step)) = (&bundle.plan_id, &bundle.step_id) {
        let found = plans::find(hub, plan)?;
        if found.plan.step(step).and_then(|step| step.status()) == Some(Status::Done) {
            let why = input.note.as_deref().unwrap_or("a person reverted it");
            edit::reopen(writer, &mut transaction, plan, step, &commit.to_string(), why)?;
            if !input.redo {
                let waits = edit::StepChange { status: Some(Status::Blocked), ..Default::default() };
                edit::set_step(writer, &mut transaction, plan, step, &waits)?;
            }
            // An item that cannot be edited keeps its status; the work does not depend on it.
            let status = if input.redo { vault::IN_PROGRESS } else { vault::BLOCKED };
            vault::follow(writer, &mut transaction, &found.plan, status)?;
        }
    }
    if backlog::read(hub)?.item(&bundle.task_id).and_then(|item| item.status()) == Some(ItemStatus::Done) {
        backlog::reopen(writer, &mut transaction, &bundle.task_id)?;
        if !input.redo {
            backlog::set_status(writer, &mut transaction, &bundle.task_id, ItemStatus::Blocked)?;
        }
    }
    Ok(transaction)
}

/// Records the decision and the reopened step and item in one transaction.
fn record(
    writer: &mut Writer<'_>,
    transaction: Transaction,
    entry: &Entry,
    input: &ReviewInput,
    (commit, before): (Oid, Option<Oid>),
) -> Result<Decision> {
    let mut decision = entry.decide(Kind::Reverted, input, writer.hub().now());
    decision.merge_commit = Some(commit.to_string());
    decision.target_before = before.map(|before| before.to_string());
    decision::record(writer, transaction, &decision)?;
    Ok(decision)
}

fn conflicts(entry: &Entry, files: &[String]) -> Refusal {
    let shown = text::clip(&files.join(", "), 600);
    Refusal::guard("review.conflict", format!("cannot revert {}", entry.bundle.short()))
        .because(format!("later work changed the same lines: {shown}"))
        .next("revert the later jobs first (teof review list --all), then this one")
        .with("files", files.to_vec())
}
