//! Removes worktrees of finished jobs: parks uncommitted work first, and keeps their branches.
//!
//! Removes only worktrees that are locked with teof's reason, directly inside the worktrees' home, without a running
//! run of their task. Ignored files go with the folder. Never follows a link out of it.
//!
//! A removal renames the folder beside itself, moves git's own folder about it to `<common dir>/teof/removed/`, then
//! deletes both. The next removal finishes what a crash left.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use git2::Repository;
use serde::Serialize;

use super::checkpoint::{Parked, WorktreeRepository};
use super::convention;
use super::metadata::setup_state;
use super::place::{WAIT, home};
use super::status::{Owner, WorktreeStatus, statuses};
use super::{foreign, job_refs, registry, unfinished};
use crate::base::lock::{self, FileLock};
use crate::base::{Result, Stamp, files};
use crate::hub::{Hub, paths};

/// Machine-local: git's folders about worktrees that are being removed.
const REMOVED: &str = "removed";
/// Held while worktrees are made or removed.
const LOCK: &str = "locks/worktrees.lock";
/// Suffix of a worktree's folder while it is being removed.
const ASIDE: &str = ".teof-removed-";

/// Which finished worktrees are kept.
#[derive(Clone, Copy, Debug)]
pub struct Retention {
    /// How many of the newest are kept.
    pub keep: usize,
    /// The longest time that one is kept, even if there are few.
    pub keep_for: Duration,
}

impl Retention {
    /// The retention of `[worktrees]`.
    pub fn of(hub: &Hub) -> Result<Self> {
        let own = &hub.settings()?.worktrees;
        Ok(Self { keep: own.keep, keep_for: own.keep_for })
    }

    /// Keeps none.
    pub const NONE: Self = Self { keep: 0, keep_for: Duration::ZERO };
}

#[derive(Clone, Debug, Default, Serialize)]
pub struct Cleaned {
    /// The removed worktrees; in a dry run, those that would be removed.
    pub removed: Vec<Removed>,
    pub kept: Vec<Kept>,
    /// Folders left by earlier interrupted removals, deleted now.
    pub finished: Vec<PathBuf>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Removed {
    pub path: PathBuf,
    pub job: String,
    pub branch: Option<String>,
    /// The refs that keep work that is not on the branch.
    pub kept_under: Vec<String>,
}

#[derive(Clone, Debug, Serialize)]
pub struct Kept {
    pub path: PathBuf,
    pub job: Option<String>,
    pub why: String,
}

/// Removes what the retention does not keep. `over` returns since when a job is over, `None` while it is not.
///
/// # Errors
/// When the worktrees lock times out. Worktrees that cannot be removed are kept, with the reason.
pub fn clean(
    hub: &Hub,
    retention: Retention,
    dry_run: bool,
    over: &dyn Fn(&WorktreeStatus) -> Option<Stamp>,
) -> Result<Cleaned> {
    let lock = FileLock::acquire(&hub.local(LOCK), WAIT, "lock.wait", "clean worktrees")?;
    clean_locked(hub, &lock, retention, dry_run, over)
}

/// Like [`clean`], for callers that must not wait: does nothing while another process has the worktrees lock.
pub fn clean_if_free(
    hub: &Hub,
    retention: Retention,
    over: &dyn Fn(&WorktreeStatus) -> Option<Stamp>,
) -> Result<Cleaned> {
    match FileLock::try_acquire(&hub.local(LOCK), "clean worktrees")? {
        Some(lock) => clean_locked(hub, &lock, retention, false, over),
        None => Ok(Cleaned::default()),
    }
}

fn clean_locked(
    hub: &Hub,
    lock: &FileLock,
    retention: Retention,
    dry_run: bool,
    over: &dyn Fn(&WorktreeStatus) -> Option<Stamp>,
) -> Result<Cleaned> {
    let home = home(hub)?;
    let mut cleaned = Cleaned::default();
    if !dry_run {
        unfinished::repair(hub)?;
        cleaned.finished = finish(hub);
    }
    let mut candidates = Vec::new();
    for found in statuses(hub)? {
        if found.adopted && !dry_run && over(&found).is_some() {
            convention::release(&found.git_dir)?;
        }
        match check_removable(hub, &home, &found)
            .and_then(|()| over(&found).ok_or_else(|| "its job is not over".to_owned()))
        {
            Ok(since) => candidates.push((since, found)),
            Err(why) => cleaned.kept.push(Kept { path: found.root, job: found.job, why }),
        }
    }
    // Newest first; within the same second, by name.
    candidates.sort_by(|(a, left), (b, right)| (b, &left.root).cmp(&(a, &right.root)));
    for (at, (since, found)) in candidates.into_iter().enumerate() {
        let young = hub.now().since(since) < retention.keep_for;
        let kept = if at < retention.keep && young {
            Err("retention ([worktrees] keep, keep_for)".to_owned())
        } else if dry_run {
            Ok(Vec::new())
        } else {
            lock.check().and_then(|()| remove(hub, &home, &found)).map_err(|e| format!("{e:#}"))
        };
        let job = found.job.unwrap_or_default();
        match kept {
            Ok(kept_under) => {
                cleaned.removed.push(Removed { path: found.root, job, branch: found.branch, kept_under });
            }
            Err(why) => cleaned.kept.push(Kept { path: found.root, job: Some(job), why }),
        }
    }
    Ok(cleaned)
}

/// Whether there is anything to remove. Cheap, and takes no lock.
pub fn is_due(hub: &Hub, retention: Retention, over: &dyn Fn(&WorktreeStatus) -> Option<Stamp>) -> Result<bool> {
    let home = home(hub)?;
    let all = statuses(hub)?;
    if all.iter().any(|found| found.adopted && over(found).is_some()) {
        return Ok(true);
    }
    let ours = all.into_iter().filter(|found| check_removable(hub, &home, found).is_ok());
    let since: Vec<Stamp> = ours.filter_map(|found| over(&found)).collect();
    Ok(since.len() > retention.keep || since.iter().any(|since| hub.now().since(*since) >= retention.keep_for))
}

/// The reason why a worktree must not be removed, or not now.
fn check_removable(hub: &Hub, home: &Path, found: &WorktreeStatus) -> Result<(), String> {
    let name = found.git_dir.file_name().unwrap_or_default();
    match found.owner {
        Owner::Hub => return Err("it is the hub".into()),
        Owner::Others => return Err("it is not teof's".into()),
        Owner::Kept => {
            return Err("left to a person: it contains files that a commit cannot include, or that are not \
            teof's"
                .into());
        }
        Owner::Ours => {}
    }
    if found.adopted {
        return Err("it was there before its job".into());
    }
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if found.root.parent().map(canonical) != Some(canonical(home)) || name.is_empty() {
        return Err(format!("it is not in {}", home.display()));
    }
    if fs::symlink_metadata(&found.root).is_ok_and(|there| !there.is_dir()) {
        return Err("its folder was replaced".into());
    }
    let Some(task) = &found.task else { return Err("its task is unknown".into()) };
    // A run of the task prepares its worktree under the lock held here, so this stays true.
    match lock::is_held(&hub.local(&paths::run_lock(task))) {
        Ok(false) => Ok(()),
        Ok(true) => Err("a run of its task is active".into()),
        Err(e) => Err(format!("cannot tell whether a run is active: {e:#}")),
    }
}

/// Parks, renames and deletes. Returns the refs that keep work that was not on the branch.
fn remove(hub: &Hub, home: &Path, found: &WorktreeStatus) -> Result<Vec<String>> {
    if found.is_there()
        && let Err(e) = foreign::check(hub, &found.root, &found.git_dir)
    {
        leave(found)?;
        return Err(e);
    }
    let kept = if found.is_there() { keep_work(hub, found)? } else { Vec::new() };
    let name = found.git_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (aside, record) = (found.root.with_file_name(format!("{ASIDE}{name}")), hub.local(REMOVED).join(&name));
    // An earlier removal that could not delete still uses the name.
    anyhow::ensure!(fs::symlink_metadata(&record).is_err(), "an earlier removal is not finished: {}", aside.display());
    files::create_parent(&record)?;
    if found.is_there() {
        anyhow::ensure!(fs::symlink_metadata(&aside).is_err(), "{} is in the way", aside.display());
        fs::rename(&found.root, &aside).map_err(|e| files::io_refusal(e, "rename", &found.root))?;
        files::sync_folder(home)?;
    }
    fs::rename(&found.git_dir, &record).map_err(|e| files::io_refusal(e, "move", &found.git_dir))?;
    delete_both(&aside, &record)?;
    setup_state::forget(hub, &found.git_dir)?;
    // The job is over, so its checkpoints are no longer needed; its branch stays.
    if let (Some(job), Ok(repo)) = (&found.job, Repository::open(&hub.common_dir))
        && let Err(e) = job_refs::forget(&repo, job)
    {
        tracing::debug!("cannot remove the checkpoints of {job}: {e:#}");
    }
    Ok(kept)
}

/// Marks it as left to a person.
fn leave(found: &WorktreeStatus) -> Result<()> {
    let reason =
        registry::kept_reason(found.job.as_deref().unwrap_or_default(), found.run.as_deref().unwrap_or("unknown"));
    files::replace(&found.git_dir.join("locked"), reason.as_bytes())
}

/// Keeps everything that is on no branch: commits of a detached HEAD and uncommitted work.
fn keep_work(hub: &Hub, found: &WorktreeStatus) -> Result<Vec<String>> {
    let repo = Repository::open(&hub.common_dir)?;
    let run = found.run.as_deref().unwrap_or("unknown");
    for name in ["HEAD.lock", "index.lock"] {
        registry::clear_stale(&found.git_dir.join(name));
    }
    let repository = WorktreeRepository::open(&found.git_dir, &found.root)?;
    let mut kept = Vec::new();
    let tip = match &found.branch {
        Some(branch) => repo.refname_to_id(&format!("refs/heads/{branch}"))?,
        None => {
            let head = repository.repo().head()?.peel_to_commit()?.id();
            kept.push(repository.keep("moved", run, head)?);
            head
        }
    };
    match repository.park(tip, run)? {
        Parked::Nothing => {}
        Parked::Under(name) => kept.push(name),
        Parked::Impossible(why) => {
            leave(found)?;
            return Err(why.into());
        }
    }
    Ok(kept)
}

/// Deletes what earlier removals left: only folders that the saved git folder names.
fn finish(hub: &Hub) -> Vec<PathBuf> {
    let entries = fs::read_dir(hub.local(REMOVED)).into_iter().flatten().flatten();
    let mut finished = Vec::new();
    for entry in entries {
        let name = entry.file_name();
        let root = registry::root_as_at(&entry.path(), &hub.common_dir.join("worktrees").join(&name));
        let aside = root.map(|root| root.with_file_name(format!("{ASIDE}{}", name.to_string_lossy())));
        // Without it the folder is already deleted: the folder goes first, its record last.
        let aside = aside.unwrap_or_else(|| entry.path());
        match delete_both(&aside, &entry.path()) {
            Ok(()) => finished.push(aside),
            Err(e) => tracing::warn!("cannot delete {} yet: {e:#}", aside.display()),
        }
    }
    finished
}

/// The record goes last: while it exists, the folder is known to be teof's.
fn delete_both(aside: &Path, record: &Path) -> Result<()> {
    delete_folder(aside)?;
    delete_folder(record)
}

/// Deletes a folder with its content without following links. A missing folder is fine.
pub fn delete_folder(folder: &Path) -> Result<()> {
    let done = match delete(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::PermissionDenied => {
            make_deletable(folder);
            delete(folder)
        }
        done => done,
    };
    done.map_err(|e| files::io_refusal(e, "delete", folder))
}

fn delete(folder: &Path) -> std::io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// Some caches (Go's modules) are folders without write permission.
fn make_deletable(folder: &Path) {
    if !fs::symlink_metadata(folder).is_ok_and(|found| found.is_dir()) {
        return;
    }
    let _ = fs::set_permissions(folder, fs::Permissions::from_mode(0o700));
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            make_deletable(&entry.path());
        }
    }
}
