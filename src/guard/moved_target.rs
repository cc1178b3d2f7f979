//! Branches that a worker moved although results are merged there. They block record commits, merges and new jobs
//! until a person has checked them.
//!
//! The foreman that finds such a move records it on this machine. An entry ends when the commit is removed from the
//! branch, when a lost commit is restored, or when a person accepts the change.

use std::time::Duration;

use git2::{Oid, Repository};
use serde::{Deserialize, Serialize};

use crate::base::lock::FileLock;
use crate::base::{Refusal, Result, Stamp, files, json, text};
use crate::hub::Hub;
use crate::hub::git::{ancestry, object_ids, reflog};
use crate::hub::repository::locks;

/// Machine-local.
const FILE: &str = "moved-targets.json";
const MAX: u64 = 1 << 20;
/// The maximum number of entries.
const MOST: usize = 50;

/// How often, and with which pauses, a branch and the log of its checkout are compared before a difference counts.
const LOOKS: u32 = 20;
const BETWEEN: Duration = Duration::from_millis(10);

/// The codes of the findings on the job.
pub const CODES: [&str; 2] = ["git.merged", "git.target_moved"];

/// Code of the finding in scan and `doctor` while the entry is valid.
pub const SCAN_CODE: &str = "target.moved_by_worker";

/// A branch that a worker moved.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    pub branch: String,
    pub commit: String,
    pub what: What,
    pub job: String,
    pub task: String,
    pub at: Stamp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// The branch holds the commit, which nobody approved.
    Holds,
    /// The branch has lost the commit.
    Lost,
}

impl Moved {
    /// Text that follows "because".
    pub fn describe(&self) -> String {
        let Moved { branch, commit, job, task, .. } = self;
        let (branch, task) = (text::safe(branch), text::safe(task));
        let commit = commit.get(..12).unwrap_or(commit);
        match self.what {
            What::Holds => format!("{branch} contains {commit}, added by the worker of {task} (job {job})"),
            What::Lost => format!("{branch} lost {commit} while the worker of {task} ran (job {job})"),
        }
    }

    fn holds(&self, repo: &Repository) -> bool {
        let Ok(commit) = object_ids::parse(&self.commit) else { return false };
        let tip = repo.refname_to_id(&format!("refs/heads/{}", self.branch));
        let within = |tip: Oid| ancestry::holds(repo, tip, commit).unwrap_or(false);
        match self.what {
            What::Holds => tip.is_ok_and(within),
            What::Lost => !tip.is_ok_and(within),
        }
    }
}

/// Stores an entry; the same entry is stored once.
pub fn note(hub: &Hub, moved: Moved) -> Result<()> {
    let _lock = lock(hub)?;
    let mut all = read(hub)?;
    if all.iter().any(|known| (&known.branch, &known.commit) == (&moved.branch, &moved.commit)) || all.len() >= MOST {
        return Ok(());
    }
    all.push(moved);
    write(hub, &all)
}

/// The entries that are still valid.
pub fn standing(hub: &Hub) -> Result<Vec<Moved>> {
    let mut all = read(hub)?;
    if !all.is_empty() {
        let repo = Repository::open_bare(&hub.common_dir)?;
        all.retain(|moved| moved.holds(&repo));
    }
    Ok(all)
}

/// Refuses to build on a branch that a worker moved; `what` is the refused action: "merged".
///
/// # Errors
/// `target.moved_by_worker` (exit 1).
pub fn check(hub: &Hub, branch: &str, what: &str) -> Result<()> {
    let Some(moved) = standing(hub)?.into_iter().find(|moved| moved.branch == branch) else { return Ok(()) };
    let log = match moved.what {
        What::Holds => format!("git log {}^..{branch}", moved.commit),
        What::Lost => format!("git log {branch}..{}", moved.commit),
    };
    Err(Refusal::guard(SCAN_CODE, format!("not {what}: a worker moved {branch}"))
        .because(moved.describe())
        .next(format!("check the commits: {log}"))
        .next("to accept the branch as it is, as a person: teof coordinator reset-breaker")
        .with("branch", moved.branch.as_str())
        .with("commit", moved.commit.as_str())
        .into())
}

/// Accepts the branches as they are, for a person who has checked them. Returns what was accepted.
pub fn accept(hub: &Hub) -> Result<Vec<Moved>> {
    let _lock = lock(hub)?;
    let accepted = standing(hub)?;
    if !read(hub)?.is_empty() {
        write(hub, &[])?;
    }
    Ok(accepted)
}

/// Whether a checked-out branch was moved outside its checkout: its tip is not the newest entry of that HEAD's
/// reflog, which logs what people and teof do there.
///
/// Git writes the branch and the log one after the other, so a difference is checked again.
pub fn past_checkout(hub: &Hub, branch: &str) -> bool {
    let agree = |_| {
        let differs = is_past(hub, branch);
        if differs {
            std::thread::sleep(BETWEEN);
        }
        !differs
    };
    !(0..LOOKS).any(agree)
}

fn is_past(hub: &Hub, branch: &str) -> bool {
    let name = format!("refs/heads/{branch}");
    let linked = std::fs::read_dir(hub.common_dir.join("worktrees")).into_iter().flatten().flatten();
    let mut checkouts = linked.map(|entry| entry.path()).chain([hub.common_dir.clone()]);
    checkouts.any(|git_dir| {
        let Ok(repo) = Repository::open(git_dir) else { return false };
        let head = repo.find_reference("HEAD").ok();
        let on = head.and_then(|head| head.symbolic_target().ok().flatten().map(str::to_owned));
        if on.as_deref() != Some(&name) {
            return false;
        }
        let Ok(tip) = repo.refname_to_id(&name) else { return true };
        let knows = reflog::newest(&repo).is_none_or(|newest| newest == Some(tip));
        !knows && !locks::moves(hub, branch, tip)
    })
}

fn read(hub: &Hub) -> Result<Vec<Moved>> {
    let path = hub.local(FILE);
    let Some(bytes) = files::read(&path, MAX)? else { return Ok(Vec::new()) };
    serde_json::from_slice(&bytes).map_err(|e| {
        Refusal::guard("target.unreadable", format!("{} cannot be read", path.display()))
            .because(e.to_string())
            .next("see which branches a worker moved (teof coordinator explain), then move the file aside")
            .into()
    })
}

fn write(hub: &Hub, all: &[Moved]) -> Result<()> {
    let path = hub.local(FILE);
    files::create_parent(&path)?;
    files::replace(&path, (json::pretty(&all) + "\n").as_bytes())
}

fn lock(hub: &Hub) -> Result<FileLock> {
    let wait = hub.settings().map_or(Duration::from_secs(5), |settings| settings.lock.wait);
    FileLock::acquire(&hub.local("locks/moved-targets.lock"), wait, "lock.wait", "note a moved branch")
}
