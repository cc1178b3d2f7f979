//! Checks for `doctor` what jobs need, and what a killed command may have left.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;

use super::attributes::Problem;
use crate::base::{Refusal, Result, files, lock, text};
use crate::guard::in_progress;
use crate::guard::preflight;
use crate::guard::prerequisites::{self, Declared};
use crate::hub::repository::locks;
use crate::hub::transaction::temporary;
use crate::hub::worktrees::{self, unfinished};
use crate::hub::{Hub, paths};
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
    found.extend(restrained(hub)?);
    found.extend(unwritable(hub));
    found.extend(not_a_folder(&hub.local("")).map(|what| own_folder(hub, what)));
    found.extend(worktrees_folder(hub)?);
    found.extend(left_by_git(hub));
    found.extend(links(hub).into_iter().map(|path| {
        let message = format!("{} is a link, but teof needs a regular file there", path.display());
        wrong("file.not_regular", message, "remove the link: teof doctor --fix")
    }));
    Ok(found)
}

fn wrong(code: &'static str, message: String, fix: impl Into<String>) -> Problem {
    Problem { code, message, fix: fix.into(), note: false }
}

/// Checks for a first commit and for the branch for finished work.
fn branches(hub: &Hub) -> Result<Option<Problem>> {
    let exists = |name: &str| hub.git().succeeds(&["rev-parse", "-q", "--verify", &format!("{name}^{{commit}}")]);
    if !exists("HEAD")? {
        if !is_unborn(hub) {
            // Among the damage of git's files.
            return Ok(None);
        }
        let message = format!("{} has no commit yet, and a job needs one", hub.root.display());
        let fix = format!("git -C {0} add -A && git -C {0} commit -m 'Begin'", quoted(&hub.root));
        return Ok(Some(wrong("git.unborn", message, fix)));
    }
    let settings = hub.settings()?;
    let target = Some(settings.git.target.clone()).filter(|target| !target.is_empty());
    let Some(target) = target.filter(|target| !exists(&format!("refs/heads/{target}")).unwrap_or(true)) else {
        return Ok(None);
    };
    let message = format!("[git] target is {:?}, but that branch does not exist", text::safe(&target));
    let name = text::shell_word(&text::safe(&target));
    let fix = format!("git -C {} branch {name}  # or set another branch in teof.toml: [git] target", quoted(&hub.root));
    Ok(Some(wrong("git.target", message, fix)))
}

/// Whether HEAD names a branch that does not exist, rather than one that cannot be read.
fn is_unborn(hub: &Hub) -> bool {
    let repo = git2::Repository::open(&hub.root);
    repo.and_then(|repo| repo.head().map(drop)).is_err_and(|e| e.code() == git2::ErrorCode::UnbornBranch)
}

fn quoted(path: &Path) -> String {
    text::shell_word(&path.display().to_string())
}

/// Checks the documents needed to choose work.
fn documents(hub: &Hub) -> Vec<Problem> {
    let read =
        hub.path(paths::BACKLOG).and_then(|path| if path.exists() { backlog::read(hub).map(drop) } else { Ok(()) });
    let plans = store::all(hub).into_iter().filter_map(|(_, plan)| plan.err());
    let damaged = |code, error: &anyhow::Error| {
        let refusal = Refusal::of(error);
        let why = refusal.and_then(|refusal| refusal.reason.clone()).unwrap_or_default();
        let fix = "fix the file by hand, or restore it: teof bus restore --dry-run; git log -- _plans";
        wrong(code, format!("{error}: {why}").trim_end_matches(": ").to_owned(), fix)
    };
    let backlog = read.err().map(|e| damaged("backlog.unreadable", &e)).or_else(|| damaged_items(hub));
    backlog.into_iter().chain(plans.map(|e| damaged("plan.unreadable", &e))).collect()
}

/// Reports the first damaged item of the backlog, and how many more there are: none of them starts.
fn damaged_items(hub: &Hub) -> Option<Problem> {
    let bytes = files::read(&hub.path(paths::BACKLOG).ok()?, files::MAX_DOCUMENT).ok()??;
    let found = preflight::backlog(paths::BACKLOG, &bytes);
    let first = found.first()?;
    let more = match found.len() - 1 {
        0 => String::new(),
        more => format!("; {more} more: teof preflight full"),
    };
    let message = format!("{}:{}: {}{more}", paths::BACKLOG, first.line.unwrap_or(1), first.message);
    let fix = first.hint.clone().unwrap_or_default();
    Some(wrong("backlog.damaged", message, format!("{fix} (edit {})", paths::BACKLOG)))
}

/// What is at the place of a folder, where that is no folder.
pub(super) fn not_a_folder(place: &Path) -> Option<&'static str> {
    // With a slash at its end, only what it leads to is seen.
    let place = place.components().as_path();
    let found = fs::symlink_metadata(place).ok()?;
    match fs::metadata(place) {
        Ok(there) if there.is_dir() => None,
        Err(_) if found.is_symlink() => Some("a link that leads nowhere"),
        _ => Some("a file"),
    }
}

/// teof's own folder in git's is something else: not even `init` works.
fn own_folder(hub: &Hub, what: &str) -> Problem {
    let place = hub.local("");
    let place = place.components().as_path();
    let message = format!("{} is {what}, but teof needs a folder there", place.display());
    wrong("hub.no_folder", message, format!("mv {0} {0}.old && teof init", quoted(place)))
}

/// Checks that a job's worktree can be made.
fn worktrees_folder(hub: &Hub) -> Result<Option<Problem>> {
    let place = worktrees::home(hub)?;
    if let Some(what) = not_a_folder(&place) {
        let message = format!("{} is {what}, but the worktrees of jobs go there", place.display());
        return Ok(Some(wrong("worktrees.no_folder", message, format!("mv {0} {0}.old", quoted(&place)))));
    }
    let Some(there) = place.ancestors().find(|folder| folder.exists()) else { return Ok(None) };
    if rustix::fs::access(there, Access::WRITE_OK).is_ok() {
        return Ok(None);
    }
    let message = format!("this user cannot write {}, where the worktrees of jobs go", there.display());
    let fix = format!("chmod u+w {}  # or choose another folder in teof.toml: [worker] worktrees", quoted(there));
    Ok(Some(wrong("worktrees.read_only", message, fix)))
}

/// Reports terms of the settings that do not count, because no person made them count.
fn restrained(hub: &Hub) -> Result<Option<Problem>> {
    let Some(fix) = hub.settings()?.restrained else { return Ok(None) };
    let message = format!(
        "claims.agent_window or session.max_age of {} is weaker than what a person granted or committed, and does not count",
        paths::SETTINGS
    );
    Ok(Some(wrong("settings.restrained", message, format!("as a person: {fix}"))))
}

/// Reports unmet prerequisites of the backlog.
fn unmet(hub: &Hub) -> Option<Problem> {
    let declared = Declared::read(hub).ok()??;
    let why = prerequisites::check(hub, Some(&declared)).ok()?.failure()?;
    let message = format!("no backlog item starts: {}", text::safe(&why));
    let fix = "meet them, or change prerequisites in _plans/next-development.todo.json".to_owned();
    Some(Problem { code: "prerequisites.unmet", message, fix, note: true })
}

/// Finds files that this user cannot write or that another user owns: one `sudo teof` can break all later commands.
fn unwritable(hub: &Hub) -> Option<Problem> {
    let owner = fs::metadata(&hub.root).ok()?.uid();
    let me = rustix::process::geteuid().as_raw();
    let (mut closed, mut foreign) = (Vec::new(), Vec::new());
    // Whether this user owns all unwritable files, so that only the mode is wrong.
    let mut own_mode = true;
    // Checked last to first: without its locks nothing can be written.
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
            format!("it belongs to another user; work in your own clone: git clone {root} ~/teof-clone")
        }
        _ => format!("sudo chown -R {owner} {common} {root}"),
    };
    Some(wrong("disk.read_only", message, fix))
}

/// Finds unfinished worktrees and stale git locks.
fn left_by_git(hub: &Hub) -> Vec<Problem> {
    let half = unfinished::find(&hub.common_dir).into_iter().map(|half| {
        let message = format!("git was killed while creating the worktree {}", half.git_dir.display());
        wrong("git.half_made", message, "move it away: teof doctor --fix")
    });
    let locks = locks::all(hub).into_iter().map(|lock| match (in_use(hub, &lock), lock.is_stale()) {
        (Some(git), _) => {
            let message = format!("{} is held by {git}", lock.path.display());
            Problem { note: true, ..wrong("git.lock", message, locks::REMEDY) }
        }
        (None, true) => wrong("git.stale_lock", lock.describe(), "remove it: teof doctor --fix"),
        (None, false) => Problem { note: true, ..wrong("git.lock", lock.describe(), locks::REMEDY) },
    });
    half.chain(locks).collect()
}

/// The git command in the hub that holds a lock without having it open, such as `git commit -a` with an open editor.
fn in_use(hub: &Hub, lock: &locks::Lock) -> Option<String> {
    lock.path.starts_with(&hub.git_dir).then(|| in_progress::command(&hub.root)).flatten()
}

/// Finds links among teof's own files.
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

/// A symbolic link, or a file with a second name.
fn is_link(entry: &fs::DirEntry) -> bool {
    entry.metadata().is_ok_and(|found| found.is_symlink() || (found.is_file() && found.nlink() > 1))
}

/// Fixes what needs no decision; returns one line per fix. [`problems`] reports the rest again.
///
/// # Errors
/// When something cannot be removed or moved.
pub fn fix(hub: &Hub) -> Result<Vec<String>> {
    let mut done = Vec::new();
    // First, because the bus lock itself may be a link.
    for link in links(hub) {
        files::remove(&link)?;
        done.push(format!("Removed the link {}", link.display()));
    }
    let repaired = unfinished::repair(hub)?;
    done.extend(repaired.iter().map(|path| format!("Moved the unfinished worktree {} away", path.display())));
    // Those of others as well, because a person asked for it.
    for half in unfinished::find(&hub.common_dir) {
        unfinished::set_aside(hub, &half.git_dir)?;
        done.push(format!("Moved the unfinished worktree {} away", half.git_dir.display()));
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
        done.push("Added teof's temporary files to git's info/exclude".to_owned());
    }
    Ok(done)
}
