//! Finds and removes lock files that a killed git left in the repository.
//!
//! Git locks a reference by creating `<name>.lock` and unlocks it by renaming or deleting that file. A git that is
//! killed in between leaves the file, and the reference can no longer be moved. While git moves a branch for teof, a
//! note ([`Running`]) records its locks and the new commit. A later process that finds the note under the bus lock
//! removes those locks.
//!
//! Git moves a branch before it writes HEAD's reflog. If it is killed in between, it looks as if somebody moved the
//! branch outside its checkout. The note shows that it was teof, and the reflog entry is written later.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::Duration;

use git2::{Oid, Repository, Signature};

use crate::base::{Result, files, text, time};
use crate::hub::git::{object_ids, reflog};
use crate::hub::worktrees::clear_stale;
use crate::hub::{Hub, Worktree};

/// Machine-local: the paths of the locks, one a line, and a line `to <commit> <branch> <git dir>`.
const NOTE: &str = "locks/git-running";
/// Longer than any note, in bytes.
const MAX_NOTE: u64 = 1 << 20;
/// An older git lock that no process has open is stale.
const STALE: Duration = Duration::from_secs(600);
/// Git holds a lock only briefly: how often, and in which steps, a new one is checked again.
const STEPS: u32 = 20;
const STEP: Duration = Duration::from_millis(50);

/// Marks, until dropped, that git moves a branch for teof.
pub struct Running<'h>(&'h Hub);

/// The locks in a worktree's git directory that `git merge` takes.
pub const OF_MERGE: &[&str] = &["HEAD.lock", "index.lock", "ORIG_HEAD.lock"];
/// Those that `git update-ref` takes.
pub const OF_UPDATE: &[&str] = &["HEAD.lock"];

impl<'h> Running<'h> {
    /// To be called under the bus lock, for a branch that is checked out in `worktree` and goes to the commit `to`;
    /// `names` are the locks that are taken there.
    ///
    /// # Errors
    /// When the note cannot be written.
    pub fn begin(hub: &'h Hub, worktree: &Worktree, branch: &str, to: &str, names: &[&str]) -> Result<Running<'h>> {
        let own = names.iter().map(|name| worktree.git_dir.join(name));
        let locks = own.chain([of_branch(hub, branch)]).map(|path| format!("{}\n", path.display()));
        let text = locks.collect::<String>() + &format!("to {to} {branch} {}\n", worktree.git_dir.display());
        let note = hub.local(NOTE);
        files::create_parent(&note)?;
        files::replace_unsynced(&note, text.as_bytes())?;
        Ok(Running(hub))
    }

    /// Records how git ended. A killed git leaves its locks.
    pub fn end(self, output: &Result<Output>) {
        if !output.as_ref().is_ok_and(|output| output.status.signal().is_none()) {
            clear_left(self.0);
        }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        // Locks from now on belong to another git.
        let _ = fs::remove_file(self.0.local(NOTE));
    }
}

/// Removes the locks left by teof's git. Call it under the bus lock: then teof runs no git, except one whose starter
/// was killed, which ends soon.
pub fn clear_left(hub: &Hub) {
    let left = noted(hub);
    if left.is_empty() {
        return;
    }
    left.iter().filter(|lock| made_since_note(hub, lock)).for_each(|lock| clear_stale(lock));
    if let Err(e) = complete_log(hub) {
        tracing::debug!("cannot complete HEAD's reflog: {e:#}");
    }
    let _ = fs::remove_file(hub.local(NOTE));
}

/// Whether teof's git is moving the branch to this commit, or was killed while doing so.
pub fn moves(hub: &Hub, branch: &str, to: Oid) -> bool {
    destination(hub).is_some_and(|(noted, on, _)| (noted, on.as_str()) == (to, branch))
}

/// Writes the entry of HEAD's reflog that a killed git did not write.
fn complete_log(hub: &Hub) -> Result<()> {
    let Some((to, branch, git_dir)) = destination(hub) else { return Ok(()) };
    let repo = Repository::open(git_dir)?;
    let name = format!("refs/heads/{branch}");
    let on_it = repo.find_reference("HEAD")?.symbolic_target()? == Some(name.as_str());
    if on_it && repo.refname_to_id(&name)? == to && reflog::newest(&repo).is_some_and(|newest| newest != Some(to)) {
        let mut log = repo.reflog("HEAD")?;
        let ours = || Signature::now("teof", "teof@localhost");
        log.append(to, &repo.signature().or_else(|_| ours())?, Some("teof: complete the log"))?;
        log.write()?;
    }
    Ok(())
}

fn destination(hub: &Hub) -> Option<(Oid, String, PathBuf)> {
    let text = note(hub);
    let mut words = text.lines().find_map(|line| line.strip_prefix("to "))?.splitn(3, ' ');
    let (to, branch, git_dir) = (words.next()?, words.next()?, PathBuf::from(words.next()?));
    Some((object_ids::parse(to).ok()?, branch.to_owned(), git_dir))
        .filter(|(_, _, git_dir)| git_dir.starts_with(&hub.common_dir))
}

fn note(hub: &Hub) -> String {
    let bytes = files::read(&hub.local(NOTE), MAX_NOTE).ok().flatten().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

fn noted(hub: &Hub) -> Vec<PathBuf> {
    // Only git's own locks are removed, whatever the note says.
    let is_lock = |path: &PathBuf| {
        path.extension().is_some_and(|end| end == "lock")
            && path.starts_with(&hub.common_dir)
            && !path.starts_with(hub.local(""))
    };
    note(hub).lines().map(PathBuf::from).filter(is_lock).collect()
}

fn made_since_note(hub: &Hub, lock: &Path) -> bool {
    let at = |path: &Path| fs::symlink_metadata(path).and_then(|found| found.modified()).ok();
    at(lock).zip(at(&hub.local(NOTE))).is_some_and(|(lock, note)| lock >= note)
}

fn of_branch(hub: &Hub, branch: &str) -> PathBuf {
    hub.common_dir.join(format!("refs/heads/{branch}.lock"))
}

/// Whether teof's git took the lock: it is running under the bus lock, or left the lock when it was killed.
pub fn is_ours(hub: &Hub, lock: &Path) -> bool {
    noted(hub).iter().any(|noted| noted == lock) && made_since_note(hub, lock)
}

/// The lock that blocks the record's branch, if any.
pub fn blocking(hub: &Hub) -> Option<Lock> {
    let branch = hub.branch().map(|branch| of_branch(hub, &branch));
    let others = [hub.git_dir.join("HEAD.lock"), hub.common_dir.join("packed-refs.lock")];
    branch.into_iter().chain(others).find_map(Lock::at)
}

/// A git lock file.
pub struct Lock {
    pub path: PathBuf,
    age: Duration,
    /// A process that has it open. Git may hold a lock file that it has closed.
    holder: Option<String>,
}

/// The fix for a lock that may be in use.
pub const REMEDY: &str =
    "wait for that git command to end; if the file is still there after 10 min, remove it: teof doctor --fix";

impl Lock {
    /// The lock at `path`, if there is one.
    pub fn at(path: PathBuf) -> Option<Lock> {
        let made = fs::symlink_metadata(&path).and_then(|found| found.modified()).ok()?;
        let holder = holder(&path);
        Some(Lock { path, age: made.elapsed().unwrap_or_default(), holder })
    }

    /// Whether it is old and no process of this machine has it open.
    pub fn is_stale(&self) -> bool {
        self.age >= STALE && self.holder.is_none()
    }

    /// The holder and the age, as far as known.
    pub fn describe(&self) -> String {
        let (path, age) = (self.path.display(), time::show_span(self.age));
        match (&self.holder, self.is_stale()) {
            (Some(holder), _) => format!("{path} was created {age} ago and is held by {holder}"),
            (None, true) => format!("{path} was created {age} ago and no process has it open: a killed git left it"),
            (None, false) => {
                format!("{path} was created {age} ago: a running git command holds it, or a killed one left it")
            }
        }
    }
}

/// The git locks in this repository, by path.
pub fn all(hub: &Hub) -> Vec<Lock> {
    paths(&hub.common_dir).into_iter().filter_map(Lock::at).collect()
}

/// Locks that appeared since `known` was read, persist for a moment, are not open in any process and were not taken
/// by teof's git. While a person writes a commit message, git holds a lock without having it open.
pub fn left_since(hub: &Hub, is_known: impl Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = paths(&hub.common_dir);
    found.retain(|lock| !is_known(lock));
    for _ in 0..STEPS {
        if found.is_empty() {
            break;
        }
        std::thread::sleep(STEP);
        found.retain(|lock| fs::symlink_metadata(lock).is_ok());
    }
    found.retain(|lock| holder(lock).is_none() && !is_ours(hub, lock));
    found
}

/// The paths of git's locks, sorted.
pub fn paths(common_dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let (top, worktrees) = (common_dir.to_owned(), common_dir.join("worktrees"));
    let mut folders = vec![top.clone(), top.join("refs"), worktrees.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let path = entry.path();
            match entry.file_type() {
                // At the top level only files; the relevant folders are listed above.
                Ok(kind) if kind.is_dir() && folder != top && folder.parent() != Some(&worktrees) => folders.push(path),
                Ok(kind) if !kind.is_dir() && path.extension().is_some_and(|end| end == "lock") => found.push(path),
                _ => {}
            }
        }
    }
    found.sort();
    found
}

fn holder(path: &Path) -> Option<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let has_open = |process: &fs::DirEntry| {
        let open = fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten();
        open.into_iter().any(|open| fs::read_link(open.path()).is_ok_and(|to| to == path))
    };
    let process = processes.into_iter().find(has_open)?;
    let name = fs::read_to_string(process.path().join("comm")).unwrap_or_default();
    Some(format!("process {} ({})", process.file_name().to_string_lossy(), text::safe(name.trim())))
}

/// Removes a lock if it is still stale.
///
/// # Errors
/// When it cannot be removed.
pub fn remove_stale(lock: &Lock) -> Result<bool> {
    match Lock::at(lock.path.clone()) {
        Some(now) if now.is_stale() => files::remove(&lock.path).map(|()| true),
        _ => Ok(false),
    }
}
