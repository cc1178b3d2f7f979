//! Updates the hub and the current worktree from the remote without losing anybody's work (the playbook, session
//! loop 1).
//!
//! Fetching happens before any lock. A branch that is only behind is fast-forwarded. When the hub's branch has
//! diverged only by record commits, the merge is computed outside the tree and used if it has no conflict. Every
//! other divergence is left to the person, with a hint.

use std::path::Path;

use serde::Serialize;

use crate::base::{Exit, Refusal, Result, files, text, time};
use crate::guard::trust::{self, remotes};
use crate::hub::git::{self, Git};
use crate::hub::git::{bounded_process, sparse};
use crate::hub::repository::locks::{self, Running};
use crate::hub::{Hub, Worktree, paths, worktrees};
use crate::model::seat::MANIFEST;
use crate::plans::requests::front_matter::differ_in_status_only;

use crate::ops::record::{self, Recorded};

/// The result of syncing one worktree.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Synced {
    /// No remote: nothing to sync.
    NoRemote {
        remote: String,
    },
    /// The remote does not have the branch.
    Unpublished {
        branch: String,
    },
    UpToDate,
    FastForwarded {
        commits: u64,
    },
    /// Local record commits and the remote's commits were merged.
    Merged {
        commits: u64,
    },
    /// Not synced: the reason and a hint.
    Left {
        why: String,
        hint: String,
    },
}

impl Synced {
    /// One line for people.
    pub fn summary(&self) -> String {
        match self {
            Synced::NoRemote { remote } => format!("nothing to sync: no remote {remote:?}"),
            Synced::Unpublished { branch } => format!("nothing to sync: the remote has no branch {branch}"),
            Synced::UpToDate => "up to date with the remote".to_owned(),
            Synced::FastForwarded { commits } => {
                format!("fast-forwarded by {}", crate::base::text::counted(*commits, "commit"))
            }
            Synced::Merged { commits } => {
                format!("merged {} of the remote with the record", crate::base::text::counted(*commits, "commit"))
            }
            Synced::Left { why, hint } => format!("not synced: {why}; {hint}"),
        }
    }

    fn left(why: impl Into<String>, hint: impl Into<String>) -> Synced {
        Synced::Left { why: why.into(), hint: hint.into() }
    }
}

/// The dirty files of a worktree, as lines of `git status --porcelain`. The record, manifests and the status of
/// feature requests do not count: teof and seats change them during work.
pub fn dirt(hub: &Hub, worktree: &Worktree) -> Result<Vec<String>> {
    let vault = format!("{}/", hub.settings()?.sources.vault_folder.trim_matches('/'));
    let listed = trust::git(hub, &worktree.root)?.run(&[
        "status",
        "--porcelain=v1",
        "-z",
        "--no-renames",
        "--untracked-files=normal",
        git::OUTSIDE_SUBMODULES,
    ])?;
    let left_alone = submodules_left_alone(worktree);
    let counts = |line: &&str| {
        let path = line.get(3..).unwrap_or_default();
        let ours = || path.starts_with(&vault) && is_status_only(worktree, line);
        let left_alone = || left_alone.iter().any(|submodule| submodule == path);
        !path.is_empty() && !is_record(worktree, path) && !is_manifest(path) && !ours() && !left_alone()
    };
    Ok(listed.split('\0').filter(counts).map(text::safe).collect())
}

/// The submodules that a person asked git to leave alone, whatever commit they are at.
fn submodules_left_alone(worktree: &Worktree) -> Vec<String> {
    if !worktree.root.join(".gitmodules").exists() {
        return Vec::new();
    }
    let Ok(repo) = git2::Repository::open(&worktree.root) else { return Vec::new() };
    // The configuration wins over .gitmodules.
    let config = repo.config().and_then(|mut config| config.snapshot()).ok();
    let is_left_alone = |one: &git2::Submodule<'_>| {
        let key = one.name().ok().map(|name| format!("submodule.{name}.ignore"));
        let own = config.as_ref().zip(key).and_then(|(config, key)| config.get_string(&key).ok());
        own.map_or(one.ignore_rule() == git2::SubmoduleIgnore::All, |own| own == "all")
    };
    let submodules = repo.submodules().unwrap_or_default();
    let left_alone = submodules.iter().filter(|one| is_left_alone(one));
    left_alone.map(|one| one.path().to_string_lossy().into_owned()).collect()
}

/// Whether a line is about the record. An untracked folder represents its content; one with an owned file may have
/// nothing else.
fn is_record(worktree: &Worktree, path: &str) -> bool {
    paths::is_record(path) || path.strip_suffix('/').is_some_and(|folder| holds_only_record(worktree, folder))
}

fn holds_only_record(worktree: &Worktree, folder: &str) -> bool {
    let leads_to_record = |path: &str| {
        paths::OWNED_FILES.iter().any(|file| file.strip_prefix(path).is_some_and(|rest| rest.starts_with('/')))
    };
    let Ok(names) = std::fs::read_dir(worktree.root.join(folder)) else { return false };
    leads_to_record(folder)
        && names.flatten().all(|entry| {
            let Ok(name) = entry.file_name().into_string() else { return false };
            let path = format!("{folder}/{name}");
            paths::is_record(&path) || holds_only_record(worktree, &path)
        })
}

/// Whether a changed file is Markdown that differs from HEAD only in the status of its front matter, which teof
/// writes.
fn is_status_only(worktree: &Worktree, line: &str) -> bool {
    let Some(path) = line.strip_prefix(" M ").or_else(|| line.strip_prefix("M  ")).or_else(|| line.strip_prefix("MM "))
    else {
        return false;
    };
    if !path.ends_with(".md") {
        return false;
    }
    let now = files::within(&worktree.root, path).and_then(|place| files::read(&place, files::MAX_DOCUMENT));
    let Ok(Some(now)) = now else { return false };
    // Not `run`, because it trims: every byte counts.
    let before = Git::at(&worktree.root).output(&["cat-file", "blob", &format!("HEAD:{path}")]);
    let Ok(before) = before else { return false };
    match (std::str::from_utf8(&before.stdout), std::str::from_utf8(&now)) {
        (Ok(before), Ok(now)) => before != now && differ_in_status_only(before, now),
        _ => false,
    }
}

fn is_manifest(path: &str) -> bool {
    path == MANIFEST || (path.starts_with("AGENT_MANIFEST.") && path.ends_with(".json") && !path.contains('/'))
}

/// Syncs the current worktree and the hub.
///
/// # Errors
/// When the remote cannot be reached (`sync.fetch_failed`), or does not answer in time (`remote.timed_out`).
pub fn sync(hub: &Hub, progress: &dyn Fn(&str)) -> Result<Synced> {
    let remote = hub.settings()?.git.remote.clone();
    if !hub.git().run(&["remote"])?.lines().any(|name| name == remote) {
        return Ok(Synced::NoRemote { remote });
    }
    worktrees::unfinished::repair(hub)?;
    fetch(hub, &remote, progress)?;
    let of_hub = update_hub(hub, &remote)?;
    if hub.here.root == hub.root {
        return Ok(of_hub);
    }
    let here = fast_forward_here(hub, &remote)?;
    // One result for both: a result that needs a person comes first.
    Ok(if matches!(of_hub, Synced::Left { .. }) { of_hub } else { here })
}

/// Uses the system's git, so that the person's credentials and ssh settings work.
fn fetch(hub: &Hub, remote: &str, progress: &dyn Fn(&str)) -> Result<()> {
    let limit = hub.settings()?.git.fetch_timeout;
    let git = remotes::require_git(hub, &hub.root).map_err(without_sync)?;
    let mut command = git.command();
    command.args(["fetch", "--quiet", "--no-recurse-submodules", remote]);
    let shown = text::safe(remote);
    let waiting = || {
        progress(&format!("Waiting for git fetch {shown} (at most {}; without it: --no-sync)", time::show_span(limit)))
    };
    let output = bounded_process::run(&mut command, &format!("git fetch {shown}"), limit, &waiting);
    let output = output.map_err(|e| match Refusal::of(&e) {
        Some(refusal) if refusal.exit == Exit::TimedOut => {
            refusal.clone().next(NO_SYNC).next("or wait longer: raise git.fetch_timeout in teof.toml").into()
        }
        _ => e,
    })?;
    if output.status.success() {
        return Ok(());
    }
    Err(Refusal::guard("sync.fetch_failed", format!("could not fetch from {remote}"))
        .because(git::complaint(&output))
        .next("check whether this works: git fetch")
        .next(NO_SYNC)
        .into())
}

const NO_SYNC: &str = "work without syncing: teof session-boot --no-sync";

fn without_sync(error: anyhow::Error) -> anyhow::Error {
    Refusal::of(&error).cloned().map(|refusal| refusal.next(NO_SYNC).into()).unwrap_or(error)
}

/// The remote's commit for a branch: its upstream there, else the branch of the same name.
fn upstream(git: &Git, remote: &str, branch: &str) -> Result<Option<String>> {
    let there = format!("refs/remotes/{remote}/");
    let set =
        git.output(&["rev-parse", "-q", "--verify", "--symbolic-full-name", &format!("{branch}@{{upstream}}")])?;
    let set = String::from_utf8_lossy(&set.stdout).trim().to_owned();
    // A branch that is not the remote's may be what a worker made.
    for name in [set, format!("{there}{branch}")].into_iter().filter(|name| name.starts_with(&there)) {
        let found = git.output(&["rev-parse", "-q", "--verify", &format!("{name}^{{commit}}")])?;
        if found.status.success() {
            return Ok(Some(String::from_utf8_lossy(&found.stdout).trim().to_owned()));
        }
    }
    Ok(None)
}

/// The number of commits that are only in HEAD, and only in the other.
fn apart(git: &Git, theirs: &str) -> Result<(u64, u64)> {
    let counted = git.run(&["rev-list", "--left-right", "--count", &format!("HEAD...{theirs}")])?;
    let mut numbers = counted.split_whitespace().map(|n| n.parse().unwrap_or(0));
    Ok((numbers.next().unwrap_or(0), numbers.next().unwrap_or(0)))
}

fn update_hub(hub: &Hub, remote: &str) -> Result<Synced> {
    let git = trust::require_git(hub, &hub.root)?;
    if let Some(why) = record::obstacle(hub) {
        return Ok(Synced::left(why, "the next session-boot tries again"));
    }
    let Some(branch) = hub.worktree().branch() else { return Ok(Synced::UpToDate) };
    let Some(theirs) = upstream(&git, remote, &branch)? else { return Ok(Synced::Unpublished { branch }) };
    if apart(&git, &theirs)?.1 == 0 {
        return Ok(Synced::UpToDate);
    }
    if let Err(e) = sparse::check(&hub.worktree()) {
        return Ok(Synced::left(format!("{e:#}"), sparse::remedy(&hub.worktree())));
    }
    // The tree changes under the lock, so that no append is lost between the old and the new file.
    let writer = hub.lock("sync the hub")?;
    if let Recorded::Skipped(why) = record::commit_under(&writer)? {
        return Ok(Synced::left(why, "the next session-boot tries again"));
    }
    let (ours, commits) = apart(&git, &theirs)?;
    let (target, done) = match ours {
        0 => (theirs.clone(), Synced::FastForwarded { commits }),
        _ => match merged(hub, &git, &theirs, &branch)? {
            Ok(merge) => (merge, Synced::Merged { commits }),
            Err(left) => return Ok(left),
        },
    };
    locks::clear_left(hub);
    let running = Running::begin(hub, &hub.worktree(), &branch, &target, locks::OF_MERGE)?;
    Ok(move_branch(&git, &hub.root, &target, Some(running))?.unwrap_or(done))
}

/// Creates a merge commit of HEAD and `theirs` outside the tree; otherwise returns why not.
fn merged(hub: &Hub, git: &Git, theirs: &str, branch: &str) -> Result<Result<String, Synced>> {
    let by_hand = || format!("merge them by hand: git -C {} merge {theirs}", hub.root.display());
    let base = git.output(&["merge-base", "HEAD", theirs])?;
    if !base.status.success() {
        return Ok(Err(Synced::left(
            format!("{branch} and the remote's branch have no common history"),
            "check which \
            one is right",
        )));
    }
    let base = String::from_utf8_lossy(&base.stdout).trim().to_owned();
    let changed = git.run(&["diff", "--name-only", "-z", "--no-renames", &base, "HEAD"])?;
    if let Some(path) = changed.split('\0').find(|path| !path.is_empty() && !paths::is_record(path)) {
        let why = format!(
            "{branch} and the remote's branch diverged, and the local one changes more than the record \
                ({})",
            text::safe(path)
        );
        return Ok(Err(Synced::left(why, by_hand())));
    }
    let output = git.output(&["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", "HEAD", theirs])?;
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut parts = printed.split('\0').filter(|part| !part.is_empty());
    let tree = parts.next().unwrap_or_default().trim().to_owned();
    match output.status.code() {
        Some(0) => {
            let message = format!("Merge the remote's {branch} with the record");
            git.run(&["commit-tree", &tree, "-p", "HEAD", "-p", theirs, "-m", &message]).map(Ok)
        }
        Some(1) => {
            let files: Vec<_> = parts.map(text::safe).collect();
            let why = format!("both sides changed {}", files.join(", "));
            Ok(Err(Synced::left(why, by_hand())))
        }
        _ => anyhow::bail!("git merge-tree failed: {}", git::complaint(&output)),
    }
}

/// Moves branch, index and tree to a descendant of HEAD. Git refuses without changes if that would overwrite
/// somebody's changes.
fn move_branch(git: &Git, root: &Path, target: &str, running: Option<Running<'_>>) -> Result<Option<Synced>> {
    let output = git.output(&["merge", "--ff-only", "--quiet", target]);
    if let Some(running) = running {
        running.end(&output);
    }
    let output = output?;
    if output.status.success() {
        return Ok(None);
    }
    let why = git::complaint(&output);
    let why = why.lines().map(str::trim).collect::<Vec<_>>().join(" ");
    Ok(Some(Synced::left(why, format!("fix it in {}, then boot again", root.display()))))
}

/// Syncs the current worktree, if it is not the hub: only by fast-forward.
fn fast_forward_here(hub: &Hub, remote: &str) -> Result<Synced> {
    let git = trust::require_git(hub, &hub.here.root)?;
    if let Some(operation) = hub.here.operation() {
        return Ok(Synced::left(format!("{operation} is in progress"), "finish it first"));
    }
    let Some(branch) = hub.here.branch() else {
        return Ok(Synced::left("this worktree has a detached HEAD", "check out a branch to sync it"));
    };
    let Some(theirs) = upstream(&git, remote, &branch)? else { return Ok(Synced::Unpublished { branch }) };
    match apart(&git, &theirs)? {
        (_, 0) => Ok(Synced::UpToDate),
        (0, commits) => {
            Ok(move_branch(&git, &hub.here.root, &theirs, None)?.unwrap_or(Synced::FastForwarded { commits }))
        }
        _ => Ok(Synced::left(
            format!("{branch} and the remote's branch diverged"),
            format!("merge them by hand: git -C {} merge {theirs}", hub.here.root.display()),
        )),
    }
}
