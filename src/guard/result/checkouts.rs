//! Finds what a worker changed outside its own worktree: in the hub's checkout, and in every other worktree of the
//! repository that no run is using.
//!
//! Each worktree is recorded before the work and compared after it. People work there at the same time, so a
//! difference alone does not block: it is reported with its paths. Changes by the worker's own git commands
//! ([`git_trace`](super::git_trace)) block, and so do commits of somebody who is not a person of this machine.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::Duration;

use git2::{Oid, Repository, StatusOptions};
use serde::{Deserialize, Serialize};

use super::git_trace::GitCommand;
use super::history;
use super::surroundings::{CHECKOUT, Surroundings};
use crate::base::{Result, json, lock, text};
use crate::guard::Finding;
use crate::guard::moved_target::What;
use crate::hub::git::object_ids;
use crate::hub::repository::identity;
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::{self, Owner, Registered, WorktreeStatus};
use crate::hub::{Hub, paths, rule_files};

/// How many worktrees of people, and how many of jobs, are recorded: each costs a status of all its files.
const MAX_CHECKOUTS: usize = 8;
/// How many changed files of a worktree are compared.
const MAX_FILES: usize = 5000;
/// How many entries of a new folder are read; git names the folder only.
const MAX_ENTRIES: usize = 2000;
/// How many paths a finding names.
const NAMED: usize = 10;
/// Git blocks forever on an ignore file that is a FIFO.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A worktree at one moment.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
struct Snapshot {
    branch: Option<String>,
    tip: Option<String>,
    /// The address under which git would commit there.
    #[serde(default)]
    committer: Option<String>,
    /// The run that worked there last.
    run: Option<String>,
    /// Files that differ from the index or HEAD: git's status, and a fingerprint of the content.
    files: BTreeMap<String, (u32, String)>,
}

/// What was found in other worktrees.
#[derive(Debug, Default)]
pub struct Elsewhere {
    pub findings: Vec<Finding>,
    /// Branches that the worker's git moved in their checkout, with the commit they gained or lost.
    pub moved: Vec<(String, Oid, What)>,
}

/// Records other worktrees, the hub's first, up to [`MAX_CHECKOUTS`] of people and of jobs each; `own` is the git dir
/// of the worker's worktree.
///
/// # Errors
/// When the worktrees or the settings cannot be read.
pub fn record(hub: &Hub, own: &Path, found: &mut Surroundings) -> Result<()> {
    let others = others(hub, own, worktrees::registered(hub));
    let (mut jobs, mut peoples): (Vec<_>, Vec<_>) = others.into_iter().partition(|seen| seen.owner == Owner::Ours);
    peoples.sort_by_key(|seen| seen.root != hub.root);
    jobs.sort_by_key(|seen| std::cmp::Reverse(seen.made_at));
    let jobs = jobs.into_iter().filter(|seen| is_free(hub, seen));
    for seen in peoples.into_iter().take(MAX_CHECKOUTS).chain(jobs.take(MAX_CHECKOUTS)) {
        if let Some(snapshot) = Snapshot::take(hub, &seen)? {
            found.insert(name(&seen.git_dir), json::compact(&snapshot));
        }
    }
    Ok(())
}

/// Compares every worktree that was recorded; `ran` are the git commands of the worker.
///
/// # Errors
/// Like [`record`].
pub fn changed(hub: &Hub, own: &Path, before: &Surroundings, ran: &[GitCommand]) -> Result<Elsewhere> {
    let mut elsewhere = Elsewhere::default();
    let mut recorded = worktrees::registered(hub);
    recorded.retain(|found| before.contains_key(&name(&found.git_dir)));
    let gone = gone(&recorded, before);
    for seen in others(hub, own, recorded).into_iter().filter(|seen| is_free(hub, seen)) {
        let old = before.get(&name(&seen.git_dir)).and_then(|json| serde_json::from_str::<Snapshot>(json).ok());
        let Some(old) = old else { continue };
        let Some(now) = Snapshot::take(hub, &seen)? else {
            let message = format!("{} was readable when the work began and is not now", place(&seen));
            elsewhere.findings.push(Finding::medium(code(&seen), "", message));
            continue;
        };
        // Otherwise another job ran there meanwhile.
        if old.run == now.run {
            compare(hub, &seen, (&old, &now), ran, &mut elsewhere);
        }
    }
    elsewhere.findings.extend(gone);
    Ok(elsewhere)
}

/// Recorded worktrees of people that no longer exist. Those of jobs are removed when the job is over.
fn gone(recorded: &[Registered], before: &Surroundings) -> Vec<Finding> {
    let there = recorded.iter().filter(|found| found.is_there()).map(|found| name(&found.git_dir));
    let there: BTreeSet<String> = there.collect();
    let missing = before.iter().filter_map(|(key, json)| {
        let git_dir = key.strip_prefix(CHECKOUT).filter(|_| !there.contains(key))?;
        let old: Snapshot = serde_json::from_str(json).ok()?;
        let message = format!("the worktree of {} existed when the work began and does not now", text::safe(git_dir));
        old.run.is_none().then(|| Finding::medium("worktree.changed", "", message))
    });
    missing.collect()
}

fn compare(
    hub: &Hub,
    seen: &WorktreeStatus,
    (old, now): (&Snapshot, &Snapshot),
    ran: &[GitCommand],
    elsewhere: &mut Elsewhere,
) {
    let root = seen.root.canonicalize().unwrap_or_else(|_| seen.root.clone());
    let is_there =
        |command: &&GitCommand| command.changes() && command.worktree.canonicalize().is_ok_and(|w| w == root);
    let ran: Vec<_> = ran.iter().filter(is_there).collect();
    let commits = commits_since(seen, old);
    let mut changes = old.differences(now, &commits);
    // Record commits and merges of teof move a branch as well, and leave the checkout clean.
    if changes.is_empty() && old.tip != now.tip && ran.iter().any(|command| command.moves_branch()) {
        let id = |tip: &Option<String>| tip.as_deref().map_or("nothing", |id| id.get(..12).unwrap_or(id)).to_owned();
        changes.push(format!("its branch moved from {} to {}", id(&old.tip), id(&now.tip)));
    }
    if changes.is_empty() {
        return;
    }
    let (place, changes) = (place(seen), changes.join("; "));
    let hint = |why: &str| format!("{why}: git -C {} status", seen.root.display());
    let mut commands: Vec<_> = ran.iter().map(|command| text::safe(&command.name)).collect();
    commands.dedup();
    commands.truncate(NAMED);
    let stranger = if ran.is_empty() { stranger(hub, old, &commits) } else { None };
    if let Some(stranger) = &stranger {
        let message = format!("{place} got commits of {stranger}, who is not you, while the worker ran: {changes}");
        elsewhere.findings.push(Finding::high(code(seen), "", message).hint(hint("check them")));
    } else if ran.is_empty() {
        let message = format!("{place} changed since the work began; a person may have done it: {changes}");
        elsewhere
            .findings
            .push(Finding::medium(code(seen), "", message).hint(hint("check whether you made these changes")));
    } else {
        let message = format!("the worker ran git {} in {place}: {changes}", commands.join(", "));
        let hint = hint("a worker must change only its own worktree; check the changes");
        elsewhere.findings.push(Finding::high(code(seen), "", message).hint(hint));
    }
    if stranger.is_some() || ran.iter().any(|command| command.moves_branch()) {
        elsewhere.moved.extend(moved(seen, old, now));
    }
}

/// Who committed, if it was not the person at this machine: git with a cleared environment leaves no trace, and does
/// not know the person. `None` if git knows no address of the person either.
fn stranger(hub: &Hub, old: &Snapshot, commits: &[Made]) -> Option<String> {
    if commits.is_empty() {
        return None;
    }
    let known: Vec<String> = identity::of_person(hub).email.into_iter().chain(old.committer.clone()).collect();
    let made = commits.iter().find(|made| !known.is_empty() && !known.contains(&made.email))?;
    Some(text::clip(&text::safe(&format!("{} <{}>", made.name, made.email)), 100))
}

/// The branch that was moved in its checkout, with the first commit it gained or the one it lost.
fn moved(seen: &WorktreeStatus, old: &Snapshot, now: &Snapshot) -> Option<(String, Oid, What)> {
    let branch = now.branch.clone().filter(|branch| old.branch.as_ref() == Some(branch))?;
    let was = object_ids::parse(old.tip.as_deref()?).ok()?;
    let is = now.tip.as_deref().and_then(|tip| object_ids::parse(tip).ok());
    if is == Some(was) {
        return None;
    }
    let repo = Repository::open(&seen.git_dir).ok()?;
    match is {
        Some(is) if repo.graph_descendant_of(is, was).unwrap_or(false) => {
            let first = commits_since(seen, old).pop().map(|made| made.id);
            Some((branch, first.unwrap_or(is), What::Holds))
        }
        _ => Some((branch, was, What::Lost)),
    }
}

/// A commit that was made in a checkout.
struct Made {
    id: Oid,
    subject: String,
    /// Its committer.
    name: String,
    email: String,
}

/// Commits that were made in this checkout since then, newest first. Commits of teof itself have other reflog messages.
fn commits_since(seen: &WorktreeStatus, old: &Snapshot) -> Vec<Made> {
    let Ok(repo) = Repository::open(&seen.git_dir) else { return Vec::new() };
    let Ok(log) = repo.reflog("HEAD") else { return Vec::new() };
    let since = log.iter().take(MAX_FILES).take_while(|entry| Some(entry.id_new().to_string()) != old.tip);
    let made = since.filter(|entry| history::makes(entry.message_bytes().unwrap_or_default()));
    made.map(|entry| describe(&repo, entry.id_new())).collect()
}

fn describe(repo: &Repository, id: Oid) -> Made {
    let Ok(commit) = repo.find_commit(id) else {
        return Made { id, subject: String::new(), name: String::new(), email: String::new() };
    };
    let by = commit.committer();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let subject = commit.summary_bytes().map(text).unwrap_or_default();
    Made { id, subject, name: text(by.name_bytes()), email: text(by.email_bytes()) }
}

/// The address under which git would commit in a checkout, by its configuration and the person's.
fn committer(git_dir: &Path) -> Option<String> {
    let config = Repository::open(git_dir).ok()?.config().ok()?;
    config.get_string("user.email").ok().filter(|email| !email.trim().is_empty())
}

impl Snapshot {
    /// `None` when it cannot be read.
    fn take(hub: &Hub, seen: &WorktreeStatus) -> Result<Option<Snapshot>> {
        let left_out = LeftOut::of(hub)?;
        let (git_dir, root) = (seen.git_dir.clone(), seen.root.clone());
        let (send, taken) = mpsc::channel();
        std::thread::spawn(move || {
            let _ = send.send(status(&git_dir, &root, &left_out));
        });
        let Ok(Some((tip, files))) = taken.recv_timeout(TIMEOUT) else { return Ok(None) };
        Ok(Some(Snapshot {
            branch: seen.branch.clone(),
            tip,
            committer: committer(&seen.git_dir),
            run: seen.run.clone(),
            files,
        }))
    }

    /// Describes what differs.
    fn differences(&self, now: &Snapshot, commits: &[Made]) -> Vec<String> {
        let mut found = Vec::new();
        if self.branch != now.branch {
            let name = |branch: &Option<String>| branch.as_deref().map_or("no branch".to_owned(), text::safe);
            found.push(format!("it was on {} and is on {}", name(&self.branch), name(&now.branch)));
        }
        if !commits.is_empty() {
            let shown = commits.iter().map(|Made { id, subject, .. }| {
                format!("{} {:?}", id.to_string().get(..12).unwrap_or_default(), text::clip(&text::safe(subject), 60))
            });
            found.push(counted("new commit", "new commits", shown.collect()));
        }
        let names = self.files.keys().chain(now.files.keys().filter(|path| !self.files.contains_key(*path)));
        let is_committed = |path: &String| self.tip != now.tip && self.files.contains_key(path);
        let changed = names.filter(|path| match (self.files.get(*path), now.files.get(*path)) {
            (before, after) if before == after => false,
            // Committed since, or restored by a merge.
            (Some(_), None) => !is_committed(path),
            _ => true,
        });
        let paths: Vec<_> = changed.map(|path| text::safe(path)).collect();
        if !paths.is_empty() {
            found.push(counted("file differs", "files differ", paths));
        }
        found
    }
}

fn counted(one: &str, several: &str, names: Vec<String>) -> String {
    let what = if names.len() == 1 { one } else { several };
    let more = if names.len() > NAMED { format!(" and {} more", names.len() - NAMED) } else { String::new() };
    format!("{} {what} ({}{more})", names.len(), names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", "))
}

type Files = BTreeMap<String, (u32, String)>;

/// The commit that is checked out, and the files that differ from it or from the index. The index is not written.
fn status(git_dir: &Path, root: &Path, left_out: &LeftOut) -> Option<(Option<String>, Files)> {
    rule_files::check_worktree(root).ok()?;
    let repo = Repository::open(git_dir).ok()?;
    repo.set_workdir(root, false).ok()?;
    let note = WorktreeMetadata::read(git_dir);
    let mut options = StatusOptions::new();
    options.include_untracked(true).exclude_submodules(true);
    let statuses = repo.statuses(Some(&mut options)).ok()?;
    let mut files = Files::new();
    for entry in statuses.iter().take(MAX_FILES) {
        let path = String::from_utf8_lossy(entry.path_bytes()).into_owned();
        let plain = path.trim_end_matches('/');
        let full = root.join(plain);
        // teof writes no new request.
        let is_new_request = entry.status().is_wt_new() && plain == path && !full.starts_with(&left_out.home);
        let is_left_out = left_out.all().any(|folder| full.starts_with(folder)) && !is_new_request;
        if paths::is_record(plain) || is_left_out || note.is_copied(Path::new(plain)) {
            continue;
        }
        files.insert(path, (entry.status().bits(), content(&full)));
    }
    let tip = repo.head().ok().and_then(|head| head.target()).map(|id| id.to_string());
    Some((tip, files))
}

/// Folders in which teof itself writes.
struct LeftOut {
    /// The status of requests.
    requests: [PathBuf; 2],
    /// The jobs' worktrees.
    home: PathBuf,
}

impl LeftOut {
    fn of(hub: &Hub) -> Result<LeftOut> {
        let sources = &hub.settings()?.sources;
        let requests = [&sources.vault_folder, &sources.queue_folder].map(|folder| hub.root.join(folder));
        Ok(LeftOut { requests, home: worktrees::home(hub)? })
    }

    fn all(&self) -> impl Iterator<Item = &PathBuf> {
        self.requests.iter().chain([&self.home])
    }
}

/// Identifies a file's content without reading it; for a folder that git does not look into, that of its files.
fn content(path: &Path) -> String {
    let of = |found: &Metadata| format!("{} {} {} {}", found.ino(), found.len(), found.ctime(), found.ctime_nsec());
    let Ok(found) = fs::symlink_metadata(path) else { return String::new() };
    if !found.is_dir() {
        return of(&found);
    }
    let (mut folders, mut newest, mut count) = (vec![path.to_owned()], (0, 0), 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(found) = entry.metadata() else { continue };
            count += 1;
            newest = newest.max((found.ctime(), found.ctime_nsec()));
            if count >= MAX_ENTRIES {
                return format!("{count} {newest:?}");
            }
            if found.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    format!("{count} {newest:?}")
}

/// Those of some worktrees that are there and not the worker's own.
fn others(hub: &Hub, own: &Path, mut some: Vec<Registered>) -> Vec<WorktreeStatus> {
    let is_own = |found: &Registered| {
        found.git_dir.file_name() == own.file_name() && found.git_dir.canonicalize().ok() == own.canonicalize().ok()
    };
    some.retain(|found| found.is_there() && !is_own(found));
    worktrees::statuses_of(hub, some)
}

/// Whether no run is working there now: the worker of another job writes to its own.
fn is_free(hub: &Hub, seen: &WorktreeStatus) -> bool {
    // A lock that cannot be checked counts as held.
    let is_free = |task: &String| !lock::is_held(&hub.local(&paths::run_lock(task))).unwrap_or(true);
    seen.owner != Owner::Ours || seen.task.as_ref().is_none_or(is_free)
}

fn name(git_dir: &Path) -> String {
    format!("{CHECKOUT}{}", git_dir.display())
}

/// The main worktree, and that of the record, are the hub's checkout.
fn is_main(seen: &WorktreeStatus) -> bool {
    seen.owner == Owner::Hub || seen.git_dir.file_name().is_some_and(|name| name == ".git")
}

fn code(seen: &WorktreeStatus) -> &'static str {
    if is_main(seen) { "hub.changed" } else { "worktree.changed" }
}

fn place(seen: &WorktreeStatus) -> String {
    let root = text::safe(&seen.root.to_string_lossy());
    match &seen.job {
        _ if is_main(seen) => format!("the main checkout ({root})"),
        Some(job) => format!("the worktree of {} ({root})", text::safe(job)),
        None => format!("the worktree {root}"),
    }
}
