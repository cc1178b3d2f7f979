//! What `doctor` checks before any job can run, and what a killed command may have left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::attributes::Problem;
use crate::base::{Refusal, Result, files, lock, text};
use crate::guard::prerequisites::{self, Declared};
use crate::hub::git::locks;
use crate::hub::transaction::temporary;
use crate::hub::worktrees::unfinished;
use crate::hub::{Hub, paths};
use crate::ops::record::in_progress;
use crate::plans::{backlog, store};

/// How many paths one finding names.
const NAMED: usize = 5;

/// Changes nothing.
///
/// # Errors
/// When the repository cannot be read.
pub fn problems(hub: &Hub) -> Result<Vec<Problem>> {
    let mut found = Vec::new();
    found.extend(branches(hub)?);
    found.extend(documents(hub));
    found.extend(unmet(hub));
    found.extend(unwritable(hub));
    found.extend(left_by_git(hub));
    found.extend(links(hub).into_iter().map(|path| {
        let message = format!("{} is a link where teof keeps a file of its own", path.display());
        wrong("file.not_regular", message, "remove the link: teof doctor --fix")
    }));
    Ok(found)
}

fn wrong(code: &'static str, message: String, fix: impl Into<String>) -> Problem {
    Problem { code, message, fix: fix.into(), note: false }
}

/// A first commit, and the branch that finished work goes to.
fn branches(hub: &Hub) -> Result<Option<Problem>> {
    let exists = |name: &str| hub.git().succeeds(&["rev-parse", "-q", "--verify", &format!("{name}^{{commit}}")]);
    if !exists("HEAD")? {
        let message = format!("{} has no commit yet, and a job begins at one", hub.root.display());
        let fix = format!("git -C {0} add -A && git -C {0} commit -m 'Begin'", quoted(&hub.root));
        return Ok(Some(wrong("git.unborn", message, fix)));
    }
    let settings = hub.settings()?;
    let target = Some(settings.git.target.clone()).filter(|target| !target.is_empty());
    let Some(target) = target.filter(|target| !exists(&format!("refs/heads/{target}")).unwrap_or(true)) else {
        return Ok(None);
    };
    let message = format!("[git] target is {:?}, and there is no such branch", text::safe(&target));
    let name = text::shell_word(&text::safe(&target));
    let fix = format!("git -C {} branch {name}  # or name another one in teof.toml: [git] target", quoted(&hub.root));
    Ok(Some(wrong("git.target", message, fix)))
}

fn quoted(path: &Path) -> String {
    text::shell_word(&path.display().to_string())
}

/// Documents that every choice of work reads.
fn documents(hub: &Hub) -> Vec<Problem> {
    let read =
        hub.path(paths::BACKLOG).and_then(|path| if path.exists() { backlog::read(hub).map(drop) } else { Ok(()) });
    let plans = store::all(hub).into_iter().filter_map(|(_, plan)| plan.err());
    let damaged = |code, error: &anyhow::Error| {
        let refusal = Refusal::of(error);
        let why = refusal.and_then(|refusal| refusal.reason.clone()).unwrap_or_default();
        let fix = "fix the file by hand, or take it back: teof bus restore --dry-run; git log -- _plans";
        wrong(code, format!("{error}: {why}").trim_end_matches(": ").to_owned(), fix)
    };
    let backlog = read.err().map(|e| damaged("backlog.unreadable", &e));
    backlog.into_iter().chain(plans.map(|e| damaged("plan.unreadable", &e))).collect()
}

/// What the backlog asks for before any of its items is taken.
fn unmet(hub: &Hub) -> Option<Problem> {
    let declared = Declared::read(hub).ok()??;
    let why = prerequisites::check(hub, Some(&declared)).ok()?.failure()?;
    let message = format!("no backlog item starts: {}", text::safe(&why));
    let fix = "bring that about, or change prerequisites in _plans/next-development.todo.json".to_owned();
    Some(Problem { code: "prerequisites.unmet", message, fix, note: true })
}

/// What this user cannot write, and what another user made: after one `sudo teof` nothing else may work.
fn unwritable(hub: &Hub) -> Option<Problem> {
    let owner = fs::metadata(&hub.root).ok()?.uid();
    let me = rustix::process::geteuid().as_raw();
    let (mut closed, mut foreign) = (Vec::new(), Vec::new());
    // Whether all that is closed is this user's own, and only its mode keeps them out.
    let mut own_mode = true;
    // The last is looked at first: without its locks nothing is written at all.
    let mut folders: Vec<PathBuf> = paths::OWNED.iter().map(|folder| hub.root.join(folder)).collect();
    folders.extend([hub.common_dir.join("refs"), hub.local("")]);
    let mut inspect = |path: &Path| {
        let Ok(found) = fs::symlink_metadata(path) else { return };
        if !found.is_symlink() && rustix::fs::access(path, Access::WRITE_OK).is_err() {
            own_mode &= found.uid() == me;
            closed.push(path.display().to_string());
        } else if found.uid() != owner {
            foreign.push(path.display().to_string());
        }
    };
    [hub.common_dir.clone(), hub.common_dir.join("objects"), hub.root.clone()].iter().for_each(|path| inspect(path));
    while let Some(folder) = folders.pop() {
        inspect(&folder);
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                _ => inspect(&entry.path()),
            }
        }
    }
    let is_closed = !closed.is_empty();
    let (names, what) = match closed.is_empty() {
        false => (closed, "this user cannot write"),
        true => (foreign, "another user owns"),
    };
    let first = names.first()?;
    let more = names.len().saturating_sub(1);
    let message = match more {
        0 => format!("{what} {first}"),
        more => format!("{what} {first} and {more} more, such as {}", names[1..names.len().min(NAMED)].join(", ")),
    };
    let (common, root) = (quoted(&hub.common_dir), quoted(&hub.root));
    let fix = match (me == owner, is_closed && own_mode) {
        (true, true) => format!("chmod -R u+w {common} {root}"),
        (false, false) if is_closed => {
            format!("it is another user's; work in a clone of your own: git clone {root} ~/teof-clone")
        }
        _ => format!("sudo chown -R {owner} {common} {root}"),
    };
    Some(wrong("disk.read_only", message, fix))
}

/// Half-made worktrees and stale locks of git's.
fn left_by_git(hub: &Hub) -> Vec<Problem> {
    let half = unfinished::find(&hub.common_dir).into_iter().map(|half| {
        let message = format!("git was killed while it made the worktree {}", half.git_dir.display());
        wrong("git.half_made", message, "move it out of git's way: teof doctor --fix")
    });
    let locks = locks::all(hub).into_iter().map(|lock| match (in_use(hub, &lock), lock.is_stale()) {
        (Some(git), _) => {
            let message = format!("{} is held by {git}", lock.path.display());
            Problem { note: true, ..wrong("git.lock", message, locks::REMEDY) }
        }
        (None, true) => wrong("git.stale_lock", lock.words(), "remove it: teof doctor --fix"),
        (None, false) => Problem { note: true, ..wrong("git.lock", lock.words(), locks::REMEDY) },
    });
    half.chain(locks).collect()
}

/// The git command that runs in the hub and keeps a lock there without having it open: `git commit -a` while its
/// editor is open.
fn in_use(hub: &Hub, lock: &locks::Lock) -> Option<String> {
    lock.path.starts_with(&hub.git_dir).then(|| in_progress::command(&hub.root)).flatten()
}

/// Links among teof's own files, where only files and folders belong.
fn links(hub: &Hub) -> Vec<PathBuf> {
    let own = ["locks", "intents", "marks", "marks/lines", "marks/logs", "marks/claims", "marks/sealed", "coordinator"];
    let mut found = Vec::new();
    for folder in own.map(|folder| hub.local(folder)) {
        if fs::symlink_metadata(&folder).is_ok_and(|at| at.is_symlink()) {
            found.push(folder);
            continue;
        }
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        found.extend(entries.filter(is_link).map(|entry| entry.path()));
    }
    found
}

/// A symbolic link, or a file with another name elsewhere.
fn is_link(entry: &fs::DirEntry) -> bool {
    entry.metadata().is_ok_and(|found| found.is_symlink() || (found.is_file() && found.nlink() > 1))
}

/// Fixes what can be fixed without a decision; a line each. What cannot be is named by [`problems`] again.
///
/// # Errors
/// When something cannot be removed or moved.
pub fn fix(hub: &Hub) -> Result<Vec<String>> {
    let mut done = Vec::new();
    // First: the bus lock itself may be one.
    for link in links(hub) {
        files::remove(&link)?;
        done.push(format!("Removed the link {}", link.display()));
    }
    let repaired = unfinished::repair(hub)?;
    done.extend(repaired.iter().map(|path| format!("Moved the half-made worktree {} aside", path.display())));
    // Others' as well, once a person asked for it.
    for half in unfinished::find(&hub.common_dir) {
        unfinished::set_aside(hub, &half.git_dir)?;
        done.push(format!("Moved the half-made worktree {} aside", half.git_dir.display()));
    }
    for lock in locks::all(hub).into_iter().filter(|lock| lock.is_stale() && in_use(hub, lock).is_none()) {
        if locks::remove_stale(&lock)? {
            done.push(format!("Removed the stale lock {}", lock.path.display()));
        }
    }
    if !lock::is_held(&hub.local("locks/bus.lock"))? {
        done.extend(temporary::sweep(hub)?.iter().map(|left| format!("Removed {}", left.display())));
    }
    if temporary::hide(&hub.common_dir)? {
        done.push("Had git ignore temporary files of teof (info/exclude)".to_owned());
    }
    Ok(done)
}
