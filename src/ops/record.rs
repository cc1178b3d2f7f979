//! The record commit: exactly the owned paths of the hub and the log of approvals, and nothing else.
//!
//! Whatever the person has staged or changed elsewhere stays as it is. Their hooks do not run: a hook
//! that fails, or that edits files, must not stand between the record and its history.
//!
//! How: the person's index is copied beside itself, and the owned paths are brought up to date in the
//! copy. The commit's tree is HEAD's with the owned folders (and the one file) taken from the copy. Then, while git's own
//! `index.lock` is held, so that nobody commits or switches in between, the branch moves by
//! compare-and-swap and the copy becomes the index. Whoever was faster costs us another attempt.
//!
//! A kill at any point leaves files that the next record commit replaces.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use anyhow::Context;

use super::append_only;
use crate::base::{Result, files};
use crate::hub::git::{self, Git};
use crate::hub::git_locks::{self, Running};
use crate::hub::{Hub, Writer, paths};

/// How often the branch or the index may move under us before it is left for the next time.
const ATTEMPTS: usize = 5;
/// What we write into git's `index.lock`, so that one left behind by a crash is known as ours.
const LOCK_NOTE: &[u8] = b"teof record commit\n";

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// The new commit.
    Committed(String),
    /// HEAD has it all already.
    Clean,
    /// Not now; one line that says why. The record is safe on disk all the same.
    Skipped(String),
}

/// Commits the record under the bus lock, so that no line is cut and no act is halved.
///
/// # Errors
/// When the tree fell behind what was acknowledged (a stash, a reset): that is never committed.
pub fn commit(hub: &Hub) -> Result<Recorded> {
    match obstacle(hub) {
        Some(why) => Ok(Recorded::Skipped(why)),
        None => commit_under(&hub.lock("bus commit")?),
    }
}

/// Like [`commit`], for a caller that has the lock.
pub fn commit_under(writer: &Writer<'_>) -> Result<Recorded> {
    let hub = writer.hub();
    hub.marks().check_all(&hub.root)?;
    git_locks::clear_left(hub);
    for _ in 0..ATTEMPTS {
        if let Some(why) = obstacle(hub) {
            return Ok(Recorded::Skipped(why));
        }
        if let Some(done) = attempt(hub)? {
            return Ok(done);
        }
    }
    Ok(Recorded::Skipped("the branch kept moving; the next record commit takes it along".to_owned()))
}

/// Why no commit belongs here now.
pub fn obstacle(hub: &Hub) -> Option<String> {
    let worktree = hub.worktree();
    if let Some(operation) = worktree.operation() {
        return Some(format!("{operation} is in progress in {}", hub.root.display()));
    }
    match (worktree.branch(), hub.pin()) {
        (None, _) => return Some(format!("{} has a detached HEAD", hub.root.display())),
        (Some(now), Some(pin)) if now != pin.branch => {
            return Some(format!("{} is on {now}, and the record lives on {}", hub.root.display(), pin.branch));
        }
        _ => {}
    }
    let lock = lock_path(hub);
    (lock.exists() && !is_ours(&lock) && !git_locks::is_ours(hub, &lock))
        .then(|| format!("the index is locked by another git process ({})", lock.display()))
}

/// Whether git's `index.lock` was left by a record commit that was killed; the next one takes it over.
pub fn left_a_lock(hub: &Hub) -> bool {
    is_ours(&lock_path(hub))
}

/// One attempt; `None` when something moved meanwhile.
fn attempt(hub: &Hub) -> Result<Option<Recorded>> {
    let head = Head::read(hub)?;
    let copy = IndexCopy::make(&hub.git_dir)?;
    let git = hub.git().with_index(&copy.path);
    if let Some(why) = left_out(hub, &git)? {
        return Ok(Some(Recorded::Skipped(why)));
    }
    let names = owned_names(&git)?;
    let input: Vec<u8> = names.iter().flat_map(|name| [name.as_bytes(), b"\0"].concat()).collect();
    git.feed(&["update-index", "-z", "--add", "--remove", "--replace", "--stdin"], &input)?;
    let tree = match tree(hub, &git, &head, &names)? {
        Some(tree) => tree,
        None => return Ok(Some(Recorded::Skipped("the index holds unmerged files".to_owned()))),
    };
    if Some(&tree) != head.tree.as_ref() {
        if let (Some(commit), Some(before)) = (&head.commit, &head.tree) {
            append_only::check(hub, commit, before, &tree)?;
        }
        let commit = write_commit(hub, &tree, &head)?;
        let Some(_lock) = IndexLock::take(hub)? else { return Ok(None) };
        // From here on no other git process changes index or HEAD.
        if !copy.is_current()?
            || hub.worktree().branch().as_deref() != Some(&head.branch)
            || !advance(hub, &head, &commit)?
        {
            return Ok(None);
        }
        copy.install()?;
        // Before the lines that are kept are let go: should the branch be taken back, this names them.
        hub.marks().recorded(&commit)?;
        committed(hub, &names)?;
        return Ok(Some(Recorded::Committed(commit)));
    }
    committed(hub, &names)?;
    Ok(Some(Recorded::Clean))
}

/// Git has these lines now; the marks need not keep them any more.
fn committed(hub: &Hub, names: &[String]) -> Result<()> {
    let mut logs = names.iter().filter(|name| name.ends_with(".jsonl"));
    logs.try_for_each(|log| hub.marks().committed(log))
}

/// Where the branch of the record stands.
struct Head {
    branch: String,
    /// `None` before the first commit.
    commit: Option<String>,
    tree: Option<String>,
}

impl Head {
    fn read(hub: &Hub) -> Result<Head> {
        let branch = hub.worktree().branch().context("the hub was detached meanwhile")?;
        let output = hub.git().output(&["rev-parse", "-q", "--verify", "HEAD^{commit}"])?;
        if !output.status.success() {
            return Ok(Head { branch, commit: None, tree: None });
        }
        let commit = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        let tree = hub.git().run(&["rev-parse", &format!("{commit}^{{tree}}")])?;
        Ok(Head { branch, commit: Some(commit), tree: Some(tree) })
    }
}

/// A sparse checkout that leaves files of the record out: to commit what is here would delete them.
fn left_out(hub: &Hub, git: &Git) -> Result<Option<String>> {
    let mut args = vec!["ls-files", "-z", "-t", "--"];
    args.extend(paths::OWNED.iter().chain([&paths::MEMORY]));
    let listed = git.run(&args)?;
    let out = listed.split('\0').filter_map(|entry| entry.strip_prefix("S ")).count();
    let why = format!(
        "a sparse checkout leaves {out} files of the record out of {}; to have them: git sparse-checkout add {}",
        hub.root.display(),
        paths::OWNED.join(" ")
    );
    Ok((out > 0).then_some(why))
}

/// Every file of the owned folders that git has or would take: ignored ones stay with the person's word.
fn owned_names(git: &Git) -> Result<Vec<String>> {
    let mut args = vec!["ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"];
    args.extend(paths::OWNED.iter().chain([&paths::MEMORY]));
    let listed = git.run(&args)?;
    let names = listed.split('\0').filter(|name| {
        // A repository inside the record shows as a folder; a temporary file is about to be renamed or gone.
        let temporary = name.rsplit('/').next().is_some_and(files::is_temporary);
        paths::is_record(name) && name.contains('/') && !name.ends_with('/') && !temporary
    });
    Ok(names.map(str::to_owned).collect())
}

/// HEAD's tree with the owned folders as they stand in `copy`; `None` when the index is not merged.
fn tree(hub: &Hub, copy: &Git, head: &Head, names: &[String]) -> Result<Option<String>> {
    let mut entries: Vec<Entry> = Vec::new();
    if let Some(tree) = &head.tree {
        let owned = |entry: &Entry| std::str::from_utf8(name_of(entry)).is_ok_and(paths::is_owned);
        entries = listed(hub, &["ls-tree", "-z", tree])?;
        entries.retain(|entry| !owned(entry));
    }
    for folder in paths::OWNED {
        let prefix = format!("{folder}/");
        let there = |name: &&String| name.starts_with(&prefix) && hub.root.join(name).symlink_metadata().is_ok();
        if !names.iter().any(|name| there(&name)) {
            continue;
        }
        let written = copy.output(&["write-tree", &format!("--prefix={prefix}")])?;
        if !written.status.success() && is_unmerged(&written) {
            return Ok(None);
        }
        if !written.status.success() {
            return Err(git::failed("write-tree", &written));
        }
        entries.push(format!("040000 tree {}\t{folder}", String::from_utf8_lossy(&written.stdout).trim()).into());
    }
    if names.iter().any(|name| name == paths::MEMORY) {
        match memory(hub, copy, head)? {
            Some(entry) => replace_entry(&mut entries, entry),
            None => return Ok(None),
        }
    }
    make_tree(hub, &entries).map(Some)
}

/// The entry of the folder that holds the log of approvals: HEAD's, with that one file as it stands in
/// `copy`, whatever else is staged there. `None` when it is not merged.
fn memory(hub: &Hub, copy: &Git, head: &Head) -> Result<Option<Entry>> {
    let (folder, file) = paths::MEMORY.split_once('/').unwrap_or_default();
    let staged = copy.run(&["ls-files", "-z", "--stage", "--", paths::MEMORY])?;
    let mut entries: Vec<Entry> = Vec::new();
    if let Some(commit) = &head.commit {
        let within = format!("{folder}/");
        entries = listed(hub, &["ls-tree", "-z", commit, &within])?;
        for entry in &mut entries {
            let at = entry.len() - name_of(entry).len();
            // Each is listed by its whole path.
            entry.drain(at..at + within.len());
        }
        entries.retain(|entry| name_of(entry) != file.as_bytes());
    }
    for line in staged.split('\0').filter(|line| !line.is_empty()) {
        match line.split_whitespace().collect::<Vec<_>>()[..] {
            [mode, id, "0", ..] => entries.push(format!("{mode} blob {id}\t{file}").into()),
            _ => return Ok(None),
        }
    }
    let tree = if entries.is_empty() { String::new() } else { make_tree(hub, &entries)? };
    Ok(Some(format!("040000 tree {tree}\t{folder}").into()))
}

/// Puts an entry in the place of the one of its name; an empty folder is no entry.
fn replace_entry(entries: &mut Vec<Entry>, entry: Entry) {
    entries.retain(|other| name_of(other) != name_of(&entry));
    if !entry.starts_with(b"040000 tree \t") {
        entries.push(entry);
    }
}

/// A line of a tree, `<mode> <type> <id>\t<name>`, in bytes: a name need not be text, and is nobody's to change.
type Entry = Vec<u8>;

fn name_of(entry: &[u8]) -> &[u8] {
    entry.splitn(2, |byte| *byte == b'\t').nth(1).unwrap_or_default()
}

fn listed(hub: &Hub, args: &[&str]) -> Result<Vec<Entry>> {
    let listed = hub.git().bytes(args)?;
    Ok(listed.split(|byte| *byte == 0).filter(|entry| !entry.is_empty()).map(<[u8]>::to_vec).collect())
}

fn make_tree(hub: &Hub, entries: &[Entry]) -> Result<String> {
    let input: Vec<u8> = entries.iter().flat_map(|entry| [entry.as_slice(), b"\0"].concat()).collect();
    // `--missing`: in a partial clone not every object needs to be here.
    hub.git().feed(&["mktree", "-z", "--missing"], &input)
}

fn is_unmerged(output: &Output) -> bool {
    String::from_utf8_lossy(&output.stderr).contains("unmerged")
}

fn write_commit(hub: &Hub, tree: &str, head: &Head) -> Result<String> {
    let mut args = vec!["commit-tree", tree, "-m", "Commit the record", "-m", "Teof-Record: _bus _plans _report"];
    if let Some(parent) = &head.commit {
        args.extend(["-p", parent]);
    }
    let date = hub.now().to_string();
    let with_identity = |identity: &[&str]| {
        let mut command = hub.git().command();
        command.args(identity).args(&args).env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        command.output().context("start git commit-tree")
    };
    let mut output = with_identity(&[])?;
    if !output.status.success() {
        // A machine on which nobody told git who they are must not lose its history for that.
        output = with_identity(&["-c", "user.name=teof", "-c", "user.email=teof@localhost"])?;
    }
    if !output.status.success() {
        return Err(git::failed("commit-tree", &output));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Moves the branch from where it was read to the commit; `false` when it was moved meanwhile.
fn advance(hub: &Hub, head: &Head, commit: &str) -> Result<bool> {
    let branch = format!("refs/heads/{}", head.branch);
    let none = "0".repeat(commit.len());
    let old = head.commit.as_deref().unwrap_or(&none);
    let running = Running::begin(hub, &hub.worktree(), &head.branch, git_locks::OF_UPDATE)?;
    let output = hub.git().output(&["update-ref", "-m", "teof: commit the record", &branch, commit, old])?;
    running.end(output.status);
    Ok(output.status.success())
}

/// A copy of the person's index, beside it.
struct IndexCopy {
    index: PathBuf,
    path: PathBuf,
    /// The index when it was copied.
    was: Option<Identity>,
}

type Identity = (u64, u64, i64, i64);

impl IndexCopy {
    fn make(git_dir: &Path) -> Result<IndexCopy> {
        let (index, path) = (git_dir.join("index"), git_dir.join("teof-record.index"));
        // Left by a crash: the bus lock says that nobody else uses them.
        for stale in [&path, &path.with_extension("index.lock")] {
            files::remove(stale)?;
        }
        let was = identity(&index)?;
        if was.is_some() {
            fs::copy(&index, &path).map_err(|e| {
                let _ = fs::remove_file(&path);
                files::io_refusal(e, "copy the index to", &path)
            })?;
            // Git tells by an index's own time which of its entries may have changed since.
            let modified = fs::metadata(&index)?.modified()?;
            File::options().write(true).open(&path)?.set_modified(modified)?;
        }
        Ok(IndexCopy { index, path, was })
    }

    fn is_current(&self) -> Result<bool> {
        Ok(identity(&self.index)? == self.was)
    }

    fn install(&self) -> Result<()> {
        fs::rename(&self.path, &self.index).with_context(|| format!("replace {}", self.index.display()))
    }
}

impl Drop for IndexCopy {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
    }
}

fn identity(path: &Path) -> Result<Option<Identity>> {
    match fs::metadata(path) {
        Ok(meta) => Ok(Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e).with_context(|| format!("look at {}", path.display())),
    }
}

/// Git's own lock on the index, held by us.
struct IndexLock(PathBuf);

impl IndexLock {
    /// `None` when a git process holds it.
    fn take(hub: &Hub) -> Result<Option<IndexLock>> {
        let path = lock_path(hub);
        match OpenOptions::new().write(true).create_new(true).open(&path) {
            Ok(mut file) => {
                let lock = IndexLock(path);
                file.write_all(LOCK_NOTE)?;
                Ok(Some(lock))
            }
            // Ours, from a crash: the bus lock says that no other record commit runs.
            Err(e) if e.kind() == ErrorKind::AlreadyExists => Ok(is_ours(&path).then_some(IndexLock(path))),
            Err(e) => Err(files::io_refusal(e, "lock the index", &path)),
        }
    }
}

impl Drop for IndexLock {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn lock_path(hub: &Hub) -> PathBuf {
    hub.git_dir.join("index.lock")
}

fn is_ours(lock: &Path) -> bool {
    matches!(files::read(lock, LOCK_NOTE.len() as u64), Ok(Some(bytes)) if bytes == LOCK_NOTE)
}
