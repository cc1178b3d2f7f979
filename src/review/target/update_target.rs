//! Moves the target branch to a merged and tested commit without touching people's work there.
//!
//! When no worktree has the target checked out, only its ref moves, by compare-and-swap. When one has, its files
//! change, too: other staged, changed and untracked files stay as they are, and files in the way are reported before
//! anything changes. Hooks, and filters that the repository's own configuration names, do not run.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;

use anyhow::Context;
use git2::{Oid, Repository};

use super::ref_move::RefMove;
use super::{merge, recover};
use crate::base::{Refusal, Result, text};
use crate::hub::git::sparse;
use crate::hub::git::{self, Git};
use crate::hub::repository::locks::{self, Running};
use crate::hub::{Hub, Worktree, paths, worktrees};
use crate::ops::record;

/// How many files in the way are listed.
const NAMED: usize = 20;

/// Checks whether the move is possible now. Takes the bus lock.
///
/// # Errors
/// As [`update`].
pub fn dry_run(hub: &Hub, repo: &Repository, step: RefMove) -> Result<()> {
    let _writer = hub.lock(step.what)?;
    locks::clear_left(hub);
    if let Some(worktree) = checked_out(hub, step.branch)? {
        check(hub, &worktree, repo, step)?;
    }
    Ok(())
}

/// Moves the target. The caller holds the bus lock, so that no record commit comes between.
///
/// # Errors
/// `target.busy` during a git operation there; `target.in_the_way`, with the files; `target.moved` when it moved
/// meanwhile. Then nothing has changed.
pub fn update(hub: &Hub, repo: &Repository, step: RefMove) -> Result<()> {
    locks::clear_left(hub);
    let reference = format!("refs/heads/{}", step.branch);
    let (from, to) = (step.from.to_string(), step.to.to_string());
    let Some(worktree) = checked_out(hub, step.branch)? else {
        let message = format!("teof: {}", step.what);
        let running = Running::begin(hub, &hub.worktree(), step.branch, &to, &[])?;
        let output = hub.git().output(&["update-ref", "-m", &message, &reference, &to, &from]);
        running.end(&output);
        return match output?.status.success() {
            true => Ok(()),
            false => Err(moved(step.branch).into()),
        };
    };
    check(hub, &worktree, repo, step)?;
    if merge::tip(repo, step.branch)? != step.from {
        return Err(moved(step.branch).into());
    }
    // The person's own merge options (`--squash`, `-s ours`) must not affect this move.
    let options = format!("branch.{}.mergeoptions", step.branch);
    let git = Git::named(&worktree.root, &worktree.git_dir).with_setting(&options, "");
    let mut command = git.command();
    // Ctrl-C stops teof but not git during its checkout: the next approval finds the merge.
    command
        .process_group(0)
        .env("GIT_REFLOG_ACTION", format!("teof: {}", step.what))
        .args(["merge", "--ff-only", "--quiet", "--no-stat", "--no-autostash"])
        .args(["--no-verify-signatures", "--no-overwrite-ignore", &to]);
    recover::record_start(hub, &worktree, step)?;
    let running = Running::begin(hub, &worktree, step.branch, &to, locks::OF_MERGE)?;
    let output = command.output().context("start git merge");
    running.end(&output);
    let output = output?;
    if merge::tip(repo, step.branch)? == step.to {
        recover::clear(hub);
        return Ok(());
    }
    let before = put_back_other_branch(&git, &worktree, step)?.unwrap_or(step.from);
    match recover::undo(repo, &worktree, before, step.to) {
        Ok(()) => recover::clear(hub),
        Err(e) => tracing::warn!("cannot undo git's partial merge yet: {e:#}"),
    }
    let output = git::check_killed("merge", output)?;
    Err(Refusal::guard("target.in_the_way", format!("git cannot move {} in {}", step.branch, worktree.root.display()))
        .because(git::complaint(&output))
        .next(format!("fix it in {}, then try again; nothing was merged", worktree.root.display()))
        .into())
}

/// Git moves whatever branch is checked out, and somebody may have switched just before. Moves that branch back;
/// returns its commit.
fn put_back_other_branch(git: &Git, worktree: &Worktree, step: RefMove) -> Result<Option<Oid>> {
    let repo = Repository::open(&worktree.git_dir).context("open the worktree")?;
    let reflog = repo.reflog("HEAD")?;
    let Some(last) = reflog.get(0).filter(|last| last.id_new() == step.to) else { return Ok(None) };
    let ours = format!("teof: {}", step.what);
    if !last.message_bytes().is_some_and(|message| message.starts_with(ours.as_bytes())) {
        return Ok(None);
    }
    let (old, new) = (last.id_old(), step.to);
    git.run(&["update-ref", "-m", "teof: put back", "HEAD", &old.to_string(), &new.to_string()])?;
    Ok(Some(old))
}

/// Refuses a target whose ref cannot be written: git writes files and index first and would leave them changed.
fn check_ref_is_writable(hub: &Hub, worktree: &Worktree, repo: &Repository, step: RefMove) -> Result<()> {
    let (reference, from) = (format!("refs/heads/{}", step.branch), step.from.to_string());
    let running = Running::begin(hub, worktree, step.branch, &from, locks::OF_UPDATE)?;
    let output = Git::named(&worktree.root, &worktree.git_dir).output(&["update-ref", &reference, &from, &from]);
    running.end(&output);
    let output = output?;
    if output.status.success() || merge::tip(repo, step.branch)? != step.from {
        return Ok(());
    }
    Err(Refusal::guard("target.busy", format!("cannot move {} now", step.branch))
        .because(git::complaint(&output))
        .next(locks::REMEDY)
        .into())
}

/// The worktree that has the branch checked out.
///
/// # Errors
/// When more than one has; when one is on no branch during a rebase or bisect of this branch.
fn checked_out(hub: &Hub, branch: &str) -> Result<Option<Worktree>> {
    let mut all = worktrees::every(hub);
    // A worker can write into its own git dir which branch is there: it is not asked.
    all.retain(|worktree| !worktrees::is_of_a_job(&worktree.git_dir));
    if let Some((worktree, operation)) = all.iter().find_map(|found| Some((found, found.holding(branch)?))) {
        return Err(busy(worktree, branch, operation).into());
    }
    let mut found: Vec<_> = all.into_iter().filter(|worktree| is_on_branch(worktree, branch)).collect();
    // Nor which folder is there.
    if let Some(away) = found.iter().find(|worktree| !worktree.root.is_dir() || !is_linked(worktree)) {
        let root = away.root.display();
        let what = if away.root.is_dir() { "which has another .git" } else { "which does not exist" };
        return Err(Refusal::guard("target.away", format!("{branch} is checked out in {root}, {what}"))
            .because("its files would not get the merge, and the next commit there would undo it")
            .next("restore the folder, or tell git where it is: git worktree repair <folder>")
            .next("if it was deleted: git worktree prune")
            .into());
    }
    if found.len() > 1 {
        let roots: Vec<_> = found.iter().map(|worktree| worktree.root.display().to_string()).collect();
        return Err(Refusal::guard("target.twice", format!("{branch} is checked out more than once"))
            .because(format!("in {}; only one of them would get the merge", roots.join(" and ")))
            .next("switch all but one of them to another branch, then try again")
            .into());
    }
    Ok(found.pop())
}

/// Whether the folder is that of this git dir.
fn is_linked(worktree: &Worktree) -> bool {
    worktree.git_dir == worktree.common_dir || worktrees::links_to(&worktree.root, &worktree.git_dir)
}

/// Whether HEAD there is the branch, by its name or a symbolic ref.
fn is_on_branch(worktree: &Worktree, branch: &str) -> bool {
    let (wanted, repo) = (format!("refs/heads/{branch}"), Repository::open(&worktree.common_dir).ok());
    let mut name = worktree.branch().map(|name| format!("refs/heads/{name}"));
    // The same depth as git's limit.
    for _ in 0..5 {
        let Some(at) = name.filter(|name| *name != wanted) else { break };
        let found = repo.as_ref().and_then(|repo| repo.find_reference(&at).ok());
        name = found.and_then(|found| found.symbolic_target().ok().flatten().map(str::to_owned));
        if name.as_ref() == Some(&wanted) {
            return true;
        }
    }
    worktree.branch().as_deref() == Some(branch)
}

/// Refusal during a git operation that does not allow moving the branch.
fn busy(worktree: &Worktree, branch: &str, operation: &str) -> Refusal {
    Refusal::guard("target.busy", format!("cannot move {branch} in {} now", worktree.root.display()))
        .because(format!("{operation} is in progress there"))
        .next(format!("finish {operation}, then try again"))
}

fn check(hub: &Hub, worktree: &Worktree, repo: &Repository, step: RefMove) -> Result<()> {
    let root = worktree.root.display();
    if let Some(operation) = worktree.operation() {
        return Err(busy(worktree, step.branch, operation).into());
    }
    let lock = worktree.git_dir.join("index.lock");
    if lock.exists() && !(worktree.root == hub.root && record::is_own_index_lock_left(hub)) {
        return Err(Refusal::guard("target.busy", format!("cannot move {} in {root} now", step.branch))
            .because(format!("another git process has locked its index ({})", lock.display()))
            .next(locks::REMEDY)
            .into());
    }
    if worktree.root == hub.root {
        sparse::check(&hub.worktree())?;
    }
    check_ref_is_writable(hub, worktree, repo, step)?;
    let changed = merge::changed_paths(repo, step.from, step.to)?;
    if let Some(path) = changed.iter().find(|path| paths::is_record(path)) {
        return Err(Refusal::guard("review.owned", format!("the merge would change {}", text::safe(path)))
            .because("only the hub changes the record, not a merge of work")
            .into());
    }
    let way = blocking_files(worktree, repo, step, &changed)?;
    if way.is_empty() {
        return Ok(());
    }
    let more = if way.len() > NAMED { format!(" and {} more", way.len() - NAMED) } else { String::new() };
    let shown: Vec<_> = way.iter().take(NAMED).map(|(path, why)| format!("{} ({why})", text::safe(path))).collect();
    let files: Vec<_> = way.iter().map(|(path, _)| text::safe(path)).collect();
    Err(Refusal::guard("target.in_the_way", format!("uncommitted work in {root} blocks the merge"))
        .because(format!("the merge would overwrite: {}{more}", shown.join(", ")))
        .next(
            "commit these files or move them away, then try again (nothing was merged, and your files were not touched)",
        )
        .with("files", files)
        .into())
}

/// The paths that the move would overwrite although they have uncommitted work, with the reason.
fn blocking_files(
    worktree: &Worktree,
    repo: &Repository,
    step: RefMove,
    changed: &[String],
) -> Result<Vec<(String, &'static str)>> {
    let git = Git::named(&worktree.root, &worktree.git_dir);
    let touched: BTreeSet<&str> = changed.iter().map(String::as_str).collect();
    let mut found = Vec::new();
    let status = ["status", "--porcelain=v1", "-z", "--no-renames", "--untracked-files=no", git::OUTSIDE_SUBMODULES];
    let status = git.run(&status)?;
    for line in status.split('\0').filter(|line| line.len() > 3) {
        let (state, path) = line.split_at(3);
        if touched.contains(path) {
            found.push((path.to_owned(), if state.starts_with(' ') { "changed" } else { "staged" }));
        }
    }
    // Files hidden from git's status may have work, too.
    let hidden = git.run(&["ls-files", "-z", "-v"])?;
    for line in hidden.split('\0').filter(|line| line.len() > 2) {
        let (tag, path) = line.split_at(2);
        let unseen = tag.starts_with(|c: char| c.is_ascii_lowercase()) || tag.starts_with('S');
        if unseen && touched.contains(path) && fs::symlink_metadata(worktree.root.join(path)).is_ok() {
            found.push((path.to_owned(), "hidden from git's status"));
        }
    }
    // New files: an existing file there is untracked or ignored.
    for path in changed {
        if merge::has_path(repo, step.to, path)? && !merge::has_path(repo, step.from, path)? {
            if let Some(obstacle) = obstacle(&worktree.root, path)
                && !touched.contains(obstacle.as_str())
                && !merge::has_path(repo, step.from, &obstacle)?
            {
                found.push((obstacle, "untracked"));
            } else if fs::symlink_metadata(worktree.root.join(path)).is_ok_and(|meta| !meta.is_dir()) {
                found.push((path.clone(), "untracked"));
            }
        }
    }
    found.sort();
    found.dedup_by(|a, b| a.0 == b.0);
    Ok(found)
}

/// A file or link where the path needs a folder.
fn obstacle(root: &Path, path: &str) -> Option<String> {
    let folders = path.match_indices('/').map(|(at, _)| &path[..at]);
    let in_place = |folder: &&str| fs::symlink_metadata(root.join(folder)).is_ok_and(|meta| !meta.is_dir());
    folders.into_iter().find(in_place).map(str::to_owned)
}

fn moved(branch: &str) -> Refusal {
    Refusal::guard("target.moved", format!("{branch} moved meanwhile"))
        .because("it has a new commit or merge; nothing was changed")
        .next("try again; the merge will use the new commit")
}
