//! Commits a stage: saves its result, then makes its checkpoint. Reverts what its role must not change.

use anyhow::Context;
use git2::{DiffOptions, ErrorCode, Oid, Patch, Repository};

use super::context::StageContext;
use crate::model::run::stage::{CODER, COMMANDS, FORWARD_PORT};

use crate::base::Result;
use crate::foreman::calls::prompts::MAX_DIFF;
use crate::foreman::reporting::envelope::StageReport;
use crate::foreman::reporting::report::Report;
use crate::guard::result::history;
use crate::hub::git::ancestry;
use crate::hub::worktrees::Place;
use crate::hub::worktrees::checkpoint::{Mark, Parked};
use crate::model::run::outcome::Finding;

/// Larger files are named in a diff but not shown, in bytes.
const MAX_DIFF_FILE: usize = 4 << 20;

/// Ends a stage with a commit: the changes of the coder or of commands; for every other stage, no changes.
pub fn checkpoint(context: &mut StageContext, mut stage: StageReport) -> Result<()> {
    if ![CODER, COMMANDS].contains(&stage.name.as_str()) {
        take_back(context, &mut stage)?;
        let place = context.report.place()?;
        let tree = place.repository()?.repo().find_commit(place.tip())?.tree_id();
        return commit(context, stage, tree);
    }
    let place = context.report.place()?;
    let repository = place.repository()?;
    let snapshot = repository.snapshot(place.tip())?;
    let base = repository.repo().find_commit(place.base)?.tree()?;
    let restored: Vec<_> = snapshot.owned.into_iter().filter(|path| base.get_path(path.as_ref()).is_ok()).collect();
    for path in snapshot.nested {
        let message = "a git repository inside the worktree; it is not part of the result";
        stage.notes.push(Finding::high("folder.nested_repository", path, message));
    }
    context.report.restored = restored;
    commit(context, stage, snapshot.tree)?;
    restore_owned(context.report)
}

/// Saves the result, then commits, in this order: a stage with a checkpoint never runs again.
pub fn commit(context: &mut StageContext, mut stage: StageReport, tree: Oid) -> Result<()> {
    let report = &mut *context.report;
    let place = report.place()?;
    stage.notes.extend(strayed(place)?);
    stage.notes.extend(left_branch(place, &report.run)?);
    context.store.add_result(context.hub, report.work.job(), stage.clone())?;
    let order = &report.work.order;
    let mut title = format!("{}: {}", order.task_id, order.goal.title);
    if stage.name != COMMANDS {
        // Several stages of agents may commit something.
        title += &format!(" ({} {})", stage.name, stage.round);
    }
    let mark = Mark {
        agent: &order.agent_id,
        job: report.work.job(),
        run: &report.run,
        stage: &stage.name,
        round: stage.round,
        title: &title,
    };
    let done = place.commit(tree, &mark, context.hub.now())?;
    let commit = done.commit.to_string();
    context.store.mark_committed(context.hub, report.work.job(), &commit)?;
    stage.commit = Some(commit);
    // That the work was moved is said in one line.
    if stage.name != FORWARD_PORT {
        let words = if stage.passed { "passed" } else { "sent back" };
        (context.say)(&format!("      {words}: {}", crate::base::text::safe(&stage.outcome)));
    }
    report.stages.push(stage);
    if let Some(place) = &mut report.place {
        place.checkpoints.push(done);
    }
    Ok(())
}

/// Resets the tree to the last checkpoint; the changes are kept under a ref.
pub fn take_back(context: &mut StageContext, stage: &mut StageReport) -> Result<()> {
    let place = context.report.place()?;
    let repository = place.repository()?;
    let tip = place.tip();
    let snapshot = repository.snapshot(tip)?;
    if snapshot.tree == repository.repo().find_commit(tip)?.tree_id() && snapshot.nested.is_empty() {
        return Ok(());
    }
    match parked(repository.park(tip, &context.report.run)?) {
        Err(finding) => stage.notes.push(finding),
        Ok(name) => {
            repository.reset(&place.branch, tip)?;
            let whom = &stage.name;
            let message = match &name {
                Some(name) => format!("the {whom} changed files; reverted, kept at {name}"),
                None => format!("the {whom} changed files; reverted"),
            };
            stage.notes.push(Finding::low("tree.taken_back", "", message));
            context.report.kept_refs.extend(name);
        }
    }
    Ok(())
}

/// Keeps what differs from the last checkpoint under a ref, and leaves the worktree as it is. `None` without changes.
///
/// # Errors
/// When git cannot keep it.
pub fn keep_unfinished(context: &StageContext) -> Result<Option<String>> {
    let place = context.report.place()?;
    let kept = parked(place.repository()?.park(place.tip(), &context.report.run)?);
    kept.map_err(|found| anyhow::anyhow!(found.message))
}

/// The ref that keeps the parked work, if there was any; a finding when git cannot keep it.
fn parked(parked: Parked) -> Result<Option<String>, Finding> {
    match parked {
        Parked::Nothing => Ok(None),
        Parked::Under(name) => Ok(Some(name)),
        Parked::Impossible(why) => {
            let why = [Some(why.message), why.reason].into_iter().flatten().collect::<Vec<_>>().join(": ");
            Err(Finding::high("folder.not_kept", "", format!("cannot save and revert the changes: {why}")))
        }
    }
}

/// Restores the worktree's copy of the record to its base. The changes are kept under a ref.
pub fn restore_owned(report: &mut Report) -> Result<()> {
    let Some(place) = &report.place else { return Ok(()) };
    if report.restored.is_empty() {
        return Ok(());
    }
    let repository = place.repository()?;
    match parked(repository.park(place.tip(), &report.run)?) {
        Ok(name) => report.kept_refs.extend(name),
        Err(finding) => {
            report.findings.push(finding);
            return Ok(());
        }
    }
    repository.restore_owned(place.base)?;
    for path in &report.restored {
        let message = "the worker changed its copy of the record; reverted, because only the hub writes the record";
        report.findings.push(Finding::low("owned.restored", path.as_str(), message));
    }
    Ok(())
}

/// Reports whether the worker moved the branch: only the foreman makes checkpoints.
pub fn strayed(place: &Place) -> Result<Option<Finding>> {
    let repo = Repository::open(&place.git_dir)?;
    let branch = repo.find_reference(&format!("refs/heads/{}", place.branch)).ok();
    let Some(now) = branch.and_then(|branch| branch.target()) else { return Ok(None) };
    let holds = |id: Oid| ancestry::holds(&repo, now, id).unwrap_or(false);
    if now == place.tip() {
        return Ok(None);
    }
    let kept = "its commits are kept under refs/teof/moved; the work is in the checkpoint";
    Ok(Some(match holds(place.base) {
        true => Finding::low("git.own_commits", "", format!("the worker moved the branch; {kept}")),
        false => Finding::high("history.rewritten", "", format!("commits below the base were rewritten; {kept}"))
            .hint("check the history: git log refs/teof/moved/<run>"),
    }))
}

/// Whether another branch is checked out, or the branch was deleted or replaced. Called before a checkpoint, which
/// repairs all of it.
/// Commits that exist only there are kept.
pub fn left_branch(place: &Place, run: &str) -> Result<Vec<Finding>> {
    let repository = place.repository()?;
    let repo = repository.repo();
    let name = format!("refs/heads/{}", place.branch);
    let mut findings: Vec<_> = history::replaced_branch(repo, &place.branch).into_iter().collect();
    if findings.is_empty() && repo.refname_to_id(&name).is_err_and(|e| e.code() == ErrorCode::NotFound) {
        let message = format!("the branch {} was deleted; the checkpoint creates it again", place.branch);
        findings.push(Finding::high("git.branch_missing", "", message).hint("check what happened: git reflog"));
    }
    let head = repo.find_reference("HEAD").ok();
    if head.and_then(|head| head.symbolic_target().ok().flatten().map(str::to_owned)).as_deref() != Some(&name) {
        let tip = repo.head().and_then(|head| head.peel_to_commit()).map(|commit| commit.id());
        let own = tip.ok().filter(|id| *id != place.tip());
        let kept = own.map(|id| repository.keep("moved", run, id)).transpose()?;
        let kept = kept.map(|name| format!("; its commits are kept at {name}")).unwrap_or_default();
        let message = format!("the worktree was no longer on the branch {}{kept}", place.branch);
        findings.push(Finding::high("git.head_moved", "", message).hint("check where its commits went: git reflog"));
    }
    Ok(findings)
}

/// The change so far against its base, as bounded text. The prompt says when it was cut.
pub fn diff(place: &Place) -> Result<String> {
    let repo = Repository::open(&place.git_dir).context("open the worktree's repository")?;
    let (odb, tree) = (repo.odb()?, |id: Oid| repo.find_commit(id).and_then(|commit| commit.tree()));
    let mut options = DiffOptions::new();
    options.force_text(true).context_lines(3);
    let diff = repo.diff_tree_to_tree(Some(&tree(place.base)?), Some(&tree(place.tip())?), Some(&mut options))?;
    let is_large = |id: Oid| odb.read_header(id).is_ok_and(|(size, _)| size > MAX_DIFF_FILE);
    let mut out = Vec::new();
    for (at, delta) in diff.deltas().enumerate() {
        // A character is a byte at least.
        if out.len() > 8 * MAX_DIFF {
            break;
        }
        if [delta.old_file().id(), delta.new_file().id()].into_iter().any(is_large) {
            let path = delta.new_file().path_bytes().map(String::from_utf8_lossy).unwrap_or_default();
            out.extend(format!("{path}: changed, too large to show\n").into_bytes());
        } else if let Some(mut patch) = Patch::from_diff(&diff, at)? {
            out.extend_from_slice(&patch.to_buf()?);
        }
    }
    Ok(String::from_utf8_lossy(&out).into_owned())
}
