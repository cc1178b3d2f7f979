//! The record commit: exactly the owned paths of the hub, and nothing else.
//!
//! Other staged or changed files are not touched. The person's hooks do not run: a hook that fails or edits files
//! must not block the record's history.
//!
//! How: the commit's tree is the parent's with the owned paths replaced by the hub's files (`tree`), checked to
//! differ only in owned paths; vault requests with a changed status line are added (`statuses`). The owned paths are
//! updated in a copy of the person's index (`index`). Then, under git's own `index.lock`, the branch moves by
//! compare-and-swap and the copy becomes the index. If something moved meanwhile, it retries.

pub(super) mod append_only;
pub mod export;
mod git_names;
mod hub_files;
mod ignored;
mod index;
mod objects;
mod statuses;
mod tree;
mod tree_files;
pub mod verify;

use anyhow::Context;
use git2::Repository;

use crate::base::files::StatCache;
use crate::base::{Refusal, Result, Stamp, text};
use crate::guard::{in_progress, moved_target};
use crate::hub::git::libgit2::make_durable;
use crate::hub::git::{object_ids, sparse};
use crate::hub::repository::identity;
use crate::hub::repository::locks::{self, Running};
use crate::hub::transaction::temporary;
use crate::hub::{Hub, Writer, git};
use crate::receipts::ledger;

use ignored::Ignored;
use index::{IndexCopy, IndexLock, Known};
use objects::Objects;
use tree_files::Files;

/// How often to retry when the branch or the index moves, before leaving it to the next record commit.
const ATTEMPTS: usize = 5;

/// Why a commit was skipped when every attempt failed.
pub const KEPT_MOVING: &str = "the branch kept moving; the next record commit includes it";

/// The result of a record commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The new commit.
    Committed(String),
    /// HEAD already has everything.
    Clean,
    /// Not now, with the reason. The record is safe on disk anyway.
    Skipped(String),
}

/// Commits the record under the bus lock, so that no line or transaction is split.
///
/// # Errors
/// When the tree is older than acknowledged (a stash, a reset), which is never committed.
pub fn commit(hub: &Hub) -> Result<Recorded> {
    match obstacle(hub) {
        Some(why) => Ok(Recorded::Skipped(why)),
        None => commit_under(&hub.lock("bus commit")?),
    }
}

/// Like [`commit`], but where work is merged to the record's branch, not within `[coordinator] record_every` of the
/// last record commit; the next one includes it.
///
/// # Errors
/// As [`commit`].
pub fn commit_when_due(hub: &Hub) -> Result<Recorded> {
    let settings = &hub.settings()?.coordinator;
    let last = hub.watermarks().last_record().and_then(|commit| Some(Stamp::from_unix(time_of(hub, &commit).ok()?)));
    match last {
        _ if !settings.record => Ok(Recorded::Clean),
        Some(last) if hub.now().since(last) < settings.record_every && !hub.has_record_branch()? => Ok(Recorded::Clean),
        _ => commit(hub),
    }
}

fn time_of(hub: &Hub, commit: &str) -> Result<i64> {
    let repo = Repository::open_bare(&hub.common_dir)?;
    Ok(repo.find_commit(object_ids::parse(commit)?)?.time().seconds())
}

/// Like [`commit`], for a caller that has the lock.
pub fn commit_under(writer: &Writer<'_>) -> Result<Recorded> {
    let hub = writer.hub();
    hub.check_record()?;
    locks::clear_left(hub);
    let _ = temporary::sweep(hub).inspect_err(|e| tracing::warn!("cannot remove a temporary file: {e:#}"));
    for _ in 0..ATTEMPTS {
        if let Some(why) = obstacle(hub) {
            return Ok(Recorded::Skipped(why));
        }
        if let Some(done) = attempt(hub)? {
            return Ok(done);
        }
    }
    Ok(Recorded::Skipped(KEPT_MOVING.to_owned()))
}

/// Why no record commit is possible now.
pub fn obstacle(hub: &Hub) -> Option<String> {
    let worktree = hub.worktree();
    if let Some(operation) = worktree.operation() {
        return Some(format!("{operation} is in progress in {}", hub.root.display()));
    }
    match (worktree.branch(), hub.pin()) {
        (None, _) => return Some(format!("{} has a detached HEAD", hub.root.display())),
        (Some(now), Some(pin)) if now != pin.branch => {
            return Some(format!("{} is on {now}, but the record is on {}", hub.root.display(), pin.branch));
        }
        _ => {}
    }
    if let Some(Err(e)) = worktree.branch().map(|branch| moved_target::check(hub, &branch, "committed")) {
        let why = Refusal::of(&e).and_then(|refusal| refusal.reason.clone()).unwrap_or_default();
        return Some(format!("{e}: {why}; after checking it: teof coordinator reset-breaker"));
    }
    let lock = index::lock_path(hub);
    if lock.exists() && !index::is_ours(&lock) && !locks::is_ours(hub, &lock) {
        return Some(format!("another git process has locked the index ({})", lock.display()));
    }
    in_progress::command(&hub.root).map(|command| format!("{command} is running in {}", hub.root.display()))
}

/// Whether a killed record commit left git's `index.lock`; the next one takes it over.
pub fn is_own_index_lock_left(hub: &Hub) -> bool {
    index::is_ours(&index::lock_path(hub))
}

/// One attempt; `None` when something moved meanwhile.
fn attempt(hub: &Hub) -> Result<Option<Recorded>> {
    // Only objects and references: no worktree, index or attributes.
    let repo = Repository::open_bare(&hub.common_dir).context("open the repository")?;
    make_durable(&repo)?;
    let store = repo.odb()?;
    let memory = store.add_new_mempack_backend(objects::PRIORITY)?;
    let objects = Objects::new(&repo, &memory)?;
    let head = Head::read(hub, &repo)?;
    let copy = IndexCopy::make(&hub.git_dir)?;
    let mut known = Known::read(&copy.git(hub))?;
    let ignored = Ignored::read(hub)?;
    if let Some(why) = not_committed(hub, &known, &ignored) {
        return Ok(Some(Recorded::Skipped(why)));
    }
    let mut cache = StatCache::open(hub.local("cache/record.json"));
    let reader = hub_files::Reader { hub, objects: &objects, known: &known.files, ignored: &ignored };
    let hub_files::Found { mut files, left_out } = reader.read(&mut cache)?;
    let kept = keep_receipts(hub, &objects, &known, &mut files)?;
    if let Err(e) = cache.save(|path| files.get(path).map(|entry| entry.id.to_string())) {
        tracing::debug!("cannot write the cache: {e:#}");
    }
    let before = head.tree.map(|id| repo.find_tree(id)).transpose()?;
    let tree = tree::build(&objects, before.as_ref(), &files)?;
    let statuses = statuses::read(hub, &objects, before.as_ref(), &copy.git(hub), &mut known)?;
    let tree = statuses::put_into(&objects, tree, &statuses)?;
    files.extend(statuses);
    if Some(tree) == head.tree {
        if let Some(commit) = &head.commit {
            append_only::release(hub, commit)?;
        }
        // A commit that was killed before it installed the index left the older files in it.
        if copy.update(hub, &known, &files)?
            && let Some(_lock) = IndexLock::take(hub)?
            && in_progress::command(&hub.root).is_none()
            && copy.is_current()?
        {
            copy.install()?;
        }
        return Ok(Some(Recorded::Clean));
    }
    objects.flush()?;
    if let (Some(commit), Some(before)) = (&head.commit, &head.tree) {
        append_only::check(hub, commit, &before.to_string(), &tree.to_string(), &kept)?;
    }
    copy.update(hub, &known, &files)?;
    let commit = write_commit(hub, &tree.to_string(), &head)?;
    let Some(_lock) = IndexLock::take(hub)? else { return Ok(None) };
    // From here on no other git process changes index or HEAD, except one that has already read them.
    if let Some(command) = in_progress::command(&hub.root) {
        return Ok(Some(Recorded::Skipped(format!("{command} is running in {}", hub.root.display()))));
    }
    if !copy.is_current()?
        || hub.worktree().branch().as_deref() != Some(&head.branch)
        || !move_branch(hub, &head, &commit)?
    {
        return Ok(None);
    }
    copy.install()?;
    // Stored before the copies are dropped: if the branch is reset, this commit has them.
    hub.watermarks().recorded(&commit)?;
    append_only::release(hub, &commit)?;
    ignored.warn(&files);
    warn_of("files of the record that git would refuse or that change what a clone gets were left out", "", &left_out);
    warn_of("receipts are missing here and stay in the commit", "; restore them: teof bus restore", &kept);
    Ok(Some(Recorded::Committed(commit)))
}

/// Keeps receipts of the ledger that are missing in the hub, from the commit before or from the copy that was kept when
/// they were entered: nothing else may have them.
fn keep_receipts(hub: &Hub, objects: &Objects<'_>, known: &Known, files: &mut Files) -> Result<Vec<Vec<u8>>> {
    use std::os::unix::ffi::OsStrExt;
    let is_missing = |path: &&Vec<u8>| {
        !files.contains_key(*path) && hub.root.join(std::ffi::OsStr::from_bytes(path)).symlink_metadata().is_err()
    };
    let marks = hub.watermarks().documents();
    let of_marks: Vec<Vec<u8>> = marks.kept().into_iter().map(String::into_bytes).collect();
    let mut missing: Vec<Vec<u8>> = known.files.keys().chain(&of_marks).filter(is_missing).cloned().collect();
    if missing.is_empty() {
        return Ok(missing);
    }
    missing.sort();
    missing.dedup();
    let expected = ledger::expected(&hub.root)?;
    let is_receipt = |path: &Vec<u8>| std::str::from_utf8(path).is_ok_and(|path| expected.contains_key(path));
    let mut kept = Vec::new();
    for path in missing.into_iter().filter(is_receipt) {
        let name = String::from_utf8_lossy(&path);
        let entry = match (known.files.get(&path), marks.last(&name, std::iter::empty())) {
            (Some(entry), _) => *entry,
            (None, Some(bytes)) => hub_files::entry(objects, &bytes)?,
            (None, None) => continue,
        };
        files.insert(path.clone(), entry);
        kept.push(path);
    }
    Ok(kept)
}

fn warn_of(what: &str, remedy: &str, paths: &[Vec<u8>]) {
    if let Some(first) = paths.first() {
        let (count, first) = (paths.len(), String::from_utf8_lossy(first));
        tracing::warn!("{what}: {count}, such as {}{remedy}", text::safe(&first));
    }
}

/// Why record commits are blocked by the current files, for `doctor`.
///
/// # Errors
/// When git cannot be asked.
pub fn withheld(hub: &Hub) -> Result<Option<String>> {
    let known = Known::read(&hub.git())?;
    Ok(not_committed(hub, &known, &Ignored::read(hub)?))
}

/// Why the current files must not be committed: the record is incomplete, or deliberately ignored.
fn not_committed(hub: &Hub, known: &Known, ignored: &Ignored) -> Option<String> {
    if known.is_unmerged {
        return Some("the index has unmerged files of the record; resolve the conflict: git status".to_owned());
    }
    let is_gone = |path: &&Vec<u8>| {
        use std::os::unix::ffi::OsStrExt;
        hub.root.join(std::ffi::OsStr::from_bytes(path)).symlink_metadata().is_err()
    };
    let out = known.left_out.iter().filter(is_gone).count();
    if out > 0 {
        return Some(format!(
            "a sparse checkout excludes {} of the record from {}; add them: {}",
            text::counted(out, "file"),
            hub.root.display(),
            sparse::remedy(&hub.worktree())
        ));
    }
    ignored.hidden_folder().map(|folder| {
        format!(
            "git ignores all of {folder}/, so the record is not committed; see the rule: git check-ignore -v \
                --no-index {folder}/x; to commit the record anyway: git add --force {folder}"
        )
    })
}

/// The current commit of the record's branch.
struct Head {
    branch: String,
    /// `None` before the first commit.
    commit: Option<String>,
    tree: Option<git2::Oid>,
}

impl Head {
    fn read(hub: &Hub, repo: &Repository) -> Result<Head> {
        let branch = hub.worktree().branch().context("the hub's HEAD became detached")?;
        let commit = match repo.find_reference(&format!("refs/heads/{branch}")) {
            Ok(found) => Some(found.peel_to_commit().context("read the branch of the record")?),
            Err(e) if e.code() == git2::ErrorCode::NotFound => None,
            Err(e) => return Err(e).context("read the branch of the record"),
        };
        let tree = commit.as_ref().map(git2::Commit::tree_id);
        Ok(Head { branch, commit: commit.map(|commit| commit.id().to_string()), tree })
    }
}

fn write_commit(hub: &Hub, tree: &str, head: &Head) -> Result<String> {
    let mut args = vec!["commit-tree", tree, "-m", "Commit the record", "-m", "Teof-Record: _bus _plans _report"];
    if let Some(parent) = &head.commit {
        args.extend(["-p", parent]);
    }
    let date = hub.now().to_string();
    let with_identity = |fallback: &[&str]| {
        let mut command = hub.git().command();
        identity::of_person(hub).sign(&mut command);
        command.args(fallback).args(&args).env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        command.output().context("start git commit-tree")
    };
    let mut output = with_identity(&[])?;
    if !output.status.success() {
        // Commits also on a machine without a configured git identity.
        output = with_identity(&["-c", "user.name=teof", "-c", "user.email=teof@localhost"])?;
    }
    if !output.status.success() {
        return Err(git::failed("commit-tree", &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Moves the branch to the commit by compare-and-swap; `false` when somebody else moved it.
fn move_branch(hub: &Hub, head: &Head, commit: &str) -> Result<bool> {
    let branch = format!("refs/heads/{}", head.branch);
    let none = "0".repeat(commit.len());
    let old = head.commit.as_deref().unwrap_or(&none);
    let running = Running::begin(hub, &hub.worktree(), &head.branch, commit, locks::OF_UPDATE)?;
    let output = hub.git().output(&["update-ref", "-m", "teof: commit the record", &branch, commit, old]);
    running.end(&output);
    Ok(output?.status.success())
}
