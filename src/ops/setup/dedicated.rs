//! A dedicated hub: a linked worktree next to the repository, on the branch `teof/record`.
//!
//! The branch is an orphan with the record, the settings and the seats, but no code. So the worktree is small, people
//! can switch and rebase their own worktrees freely, code branches have no stale copy of the record, and the branch
//! and its remote diverge only by record commits. Its first commit has the existing record.
//!
//! The cost: code files are not in the hub's tree, so receipts of plans must be collected under `_report/`.

use std::path::{Path, PathBuf};

use crate::base::{Clock, Refusal, Result};
use crate::hub::git::{self, Git};
use crate::hub::{Hub, Pin, Worktree, paths, worktrees};

use crate::ops::record::{self, Recorded};

pub const BRANCH: &str = paths::RECORD_BRANCH;
/// The lock reason, which makes git keep the worktree when its folder is missing.
const REASON: &str = "teof: the record lives here";

/// The hub, and the branch for finished work.
pub struct Place {
    pub hub: Hub,
    pub target: Option<String>,
}

/// Creates or finds the dedicated worktree and pins it.
pub fn make(start: Option<&Path>, clock: Clock) -> Result<Place> {
    let here = locate(start)?;
    let git = Git::at(&here.root);
    let place = Hub::of_worktree(here.clone(), clock);
    worktrees::unfinished::repair(&place)?;
    let target = worktrees::main_worktree(&place).and_then(|main| main.branch()).or_else(|| here.branch());
    let target = target.filter(|branch| branch != BRANCH);
    if let Some(found) = checked_out(&git)? {
        return pinned(found, clock, target);
    }
    // The old hub is committed first, and the lock stops writes there meanwhile.
    let old = Hub::find(Some(&here.root), clock).ok();
    let writer = old.as_ref().map(|hub| hub.lock("init --dedicated")).transpose()?;
    if let Some(writer) = &writer
        && let Recorded::Skipped(why) = record::commit_under(writer)?
    {
        return Err(Refusal::guard("hub.busy", "cannot move the record now")
            .because(why)
            .next("finish that, then run init --dedicated again")
            .into());
    }
    let root = beside(&place)?;
    let shown = root.display().to_string();
    if !exists(&git, &format!("refs/heads/{BRANCH}"))? && !exists(&git, &format!("refs/remotes/origin/{BRANCH}"))? {
        let commit = first_commit(&git, old.as_ref())?;
        git.run(&["branch", "--no-track", BRANCH, &commit])?;
    }
    // Forced twice: a worktree whose folder was deleted is still registered and locked by teof.
    let add = ["worktree", "add", "--quiet", "--force", "--force", "--lock", "--reason", REASON, &shown, BRANCH];
    let added = git.output(&add)?;
    if !added.status.success() {
        return Err(Refusal::guard("hub.worktree", format!("git could not create the worktree {shown}"))
            .because(git::complaint(&added))
            .next("list git's worktrees: git worktree list")
            .into());
    }
    // A new worktree inherits the sparse checkout of the current one.
    let made = Git::at(&root);
    if made.run(&["config", "--bool", "core.sparseCheckout"]).is_ok_and(|set| set == "true") {
        made.run(&["sparse-checkout", "disable"])?;
    }
    let made = Worktree::containing(&root)?;
    let place = pinned(made, clock, target);
    drop(writer);
    place
}

/// Commits what `init` wrote; nobody else works in this worktree.
pub fn commit(hub: &Hub, wrote: &[String]) -> Result<Option<String>> {
    if wrote.is_empty() {
        return Ok(None);
    }
    let git = hub.git();
    let mut add = vec!["add", "--force", "--"];
    add.extend(wrote.iter().map(String::as_str));
    git.run(&add)?;
    let commit = ["-c", "commit.gpgsign=false", "commit", "--quiet", "--no-verify", "-m", "Set up the record"];
    if !git.succeeds(&commit)? {
        git.run(&[&["-c", "user.name=teof", "-c", "user.email=teof@localhost"], &commit[..]].concat())?;
    }
    git.run(&["rev-parse", "HEAD"]).map(Some)
}

/// The starting point: a worktree or a bare repository.
fn locate(start: Option<&Path>) -> Result<Worktree> {
    let variable = crate::base::env::var(crate::base::env::ROOT).map(PathBuf::from);
    Worktree::containing(start.map(Path::to_owned).or(variable).as_deref().unwrap_or(Path::new(".")))
}

/// The worktree that has the branch checked out.
fn checked_out(git: &Git) -> Result<Option<Worktree>> {
    let listed = git.run(&["worktree", "list", "--porcelain"])?;
    let wanted = format!("branch refs/heads/{BRANCH}");
    let block = listed.split("\n\n").find(|block| block.lines().any(|line| line == wanted));
    let root = block.and_then(|block| block.lines().next()?.strip_prefix("worktree "));
    Ok(root.and_then(|root| Worktree::at(&Path::new(root).canonicalize().ok()?)))
}

fn pinned(hub: Worktree, clock: Clock, target: Option<String>) -> Result<Place> {
    Pin { path: hub.root.clone(), branch: BRANCH.to_owned() }.write(&hub.common_dir)?;
    Ok(Place { hub: Hub::locate(Some(&hub.root), clock)?, target })
}

/// `<repository>.record` next to the repository.
fn beside(here: &Hub) -> Result<PathBuf> {
    let root = worktrees::beside(here, "record")?;
    if root.exists() {
        return Err(Refusal::guard("hub.path_taken", format!("{} already exists", root.display()))
            .because("the dedicated worktree would be created there")
            .next(format!("if it is a worktree of this repository: teof init --hub {}", root.display()))
            .next("otherwise move it away")
            .into());
    }
    Ok(root)
}

fn exists(git: &Git, name: &str) -> Result<bool> {
    git.succeeds(&["rev-parse", "-q", "--verify", name])
}

/// A tree entry with the file's bytes from disk: a git filter (encryption) may store other bytes for a file outside
/// the owned folders, and its rule does not apply on the new branch.
fn as_on_disk(hub: Option<&Hub>, entry: &str) -> Result<String> {
    match (hub, entry.split_once(" blob ").zip(entry.split_once('\t'))) {
        (Some(hub), Some(((mode, _), (_, name)))) if hub.root.join(name).is_file() => {
            let id = hub.git().run(&["hash-object", "-w", "--no-filters", "--", name])?;
            Ok(format!("{mode} blob {id}\t{name}"))
        }
        _ => Ok(entry.to_owned()),
    }
}

/// The entry of a file's top folder with only that file in it.
fn alone(git: &Git, entry: &str) -> Result<String> {
    let (blob, path) = entry.split_once('\t').unwrap_or((entry, ""));
    let mut names: Vec<&str> = path.split('/').collect();
    let mut entry = format!("{blob}\t{}", names.pop().unwrap_or_default());
    while let Some(folder) = names.pop() {
        let tree = git.feed(&["mktree", "-z", "--missing"], format!("{entry}\0").as_bytes())?;
        entry = format!("040000 tree {tree}\t{folder}");
    }
    Ok(entry)
}

/// A commit without parents with the existing record, if any.
fn first_commit(git: &Git, old: Option<&Hub>) -> Result<String> {
    let listed = match old {
        Some(hub) if hub.git().succeeds(&["rev-parse", "-q", "--verify", "HEAD"])? => {
            hub.git().run(&["ls-tree", "-z", "HEAD"])?
        }
        _ => String::new(),
    };
    let carried = |entry: &&str| {
        let name = entry.split('\t').nth(1).unwrap_or_default();
        let manifest = name.starts_with("AGENT_MANIFEST") && name.ends_with(".json");
        paths::is_owned(name) || name == paths::SETTINGS || manifest
    };
    let mut input = String::new();
    for entry in listed.split('\0').filter(carried) {
        input += &as_on_disk(old, entry)?;
        input.push('\0');
    }
    let files = [&["ls-tree", "-z", "HEAD", "--"], &paths::OWNED_FILES[..]].concat();
    let files = old.filter(|_| !listed.is_empty()).map(|hub| hub.git().run(&files)).transpose()?.unwrap_or_default();
    for entry in files.split('\0').filter(|entry| !entry.is_empty()) {
        input += &alone(git, &as_on_disk(old, entry)?)?;
        input.push('\0');
    }
    let tree = git.feed(&["mktree", "-z", "--missing"], input.as_bytes())?;
    let commit = ["commit-tree", &tree, "-m", "Begin the record"];
    let made = git.run(&commit);
    made.or_else(|_| git.run(&[&["-c", "user.name=teof", "-c", "user.email=teof@localhost"], &commit[..]].concat()))
}
