//! Worktrees: whose each is, and on demand what it contains.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git2::{BranchType, Repository};
use serde::Serialize;

use super::cached::{Timed, Version};
use crate::base::{Result, Stamp, text};
use crate::coordinator::State;
use crate::coordinator::retention::{self, Standing};
use crate::hub::Hub;
use crate::hub::worktrees::{self, WorktreeStatus, main_worktree};
use crate::model::run::job_name::short;

/// How old the list may be while no worktree comes or goes and no job changes.
const LISTED: Duration = Duration::from_secs(2);
/// Files that are counted for a size; what has more is only said to be at least that large.
const MOST_FILES: usize = 200_000;

/// A worktree of the repository.
#[derive(Clone, Debug, Serialize)]
pub struct Worktree {
    pub path: PathBuf,
    /// `None` when HEAD names no branch.
    pub branch: Option<String>,
    pub standing: Standing,
    pub job: Option<String>,
    /// What people type: `j7`.
    pub short: Option<String>,
    pub task: Option<String>,
    pub seat: Option<String>,
    pub made_at: Option<Stamp>,
    /// When its job was over.
    pub finished_at: Option<Stamp>,
    /// Its folder is there.
    pub exists: bool,
    /// What was found when somebody asked; `None` before.
    pub content: Option<Content>,
}

/// What a worktree contains.
#[derive(Clone, Debug, Serialize)]
pub struct Content {
    pub inspected_at: Stamp,
    /// It has uncommitted changes besides the record; `None` when that cannot be told.
    pub dirty: Option<bool>,
    /// Commits that the target does not have, and the other way round.
    pub ahead: Option<usize>,
    pub behind: Option<usize>,
    /// Of its files on disk.
    pub size_bytes: u64,
    /// It has more files than were counted.
    pub is_larger: bool,
    /// The refs that keep uncommitted work of its job.
    pub parked: Vec<String>,
}

/// Worktrees as read last.
#[derive(Default)]
pub(super) struct Worktrees {
    listed: Timed<Vec<Worktree>>,
    content: HashMap<PathBuf, Content>,
    shown: Arc<Vec<Worktree>>,
    is_new: bool,
    /// What git has of each.
    folders: Vec<(PathBuf, Option<Version>)>,
}

impl Worktrees {
    /// All worktrees.
    pub fn read(&mut self, hub: &Hub, state: &State, state_changed: bool) -> Result<Arc<Vec<Worktree>>> {
        let mut is_changed = std::mem::take(&mut self.is_new);
        let folders = fs::read_dir(hub.common_dir.join("worktrees")).into_iter().flatten().flatten();
        let mut folders: Vec<_> = folders.map(|entry| (entry.path(), Version::of(&entry.path()))).collect();
        folders.sort_by(|a, b| a.0.cmp(&b.0));
        if folders != self.folders || state_changed {
            (self.folders, self.listed) = (folders, Timed::default());
        }
        let listed = self.listed.get(LISTED, || {
            is_changed = true;
            Ok(worktrees::statuses(hub)?.iter().map(|seen| describe(hub, state, seen)).collect())
        })?;
        if is_changed {
            let with_content =
                |found: &Worktree| Worktree { content: self.content.get(&found.path).cloned(), ..found.clone() };
            self.shown = Arc::new(listed.iter().map(with_content).collect());
        }
        Ok(Arc::clone(&self.shown))
    }

    /// Looks into every worktree. May take seconds.
    pub fn inspect(&mut self, hub: &Hub) -> Result<()> {
        let repo = Repository::open(&hub.common_dir)?;
        let target = Some(hub.settings()?.git.target.clone()).filter(|target| !target.is_empty());
        let base = target.or_else(|| main_worktree(hub)?.branch());
        let statuses = worktrees::statuses(hub)?;
        let there = statuses.iter().filter(|seen| seen.is_there());
        self.content = there.map(|seen| (seen.root.clone(), inspect(hub, &repo, base.as_deref(), seen))).collect();
        self.is_new = true;
        Ok(())
    }
}

fn describe(hub: &Hub, state: &State, seen: &WorktreeStatus) -> Worktree {
    Worktree {
        path: seen.root.clone(),
        branch: seen.branch.as_deref().map(text::safe),
        standing: retention::standing(hub, state, seen),
        job: seen.job.clone(),
        short: seen.job.as_deref().map(|job| short(job).into_owned()),
        task: seen.task.as_deref().map(text::safe),
        seat: seen.agent.as_deref().map(text::safe),
        made_at: seen.made_at,
        finished_at: retention::over_since(state, seen),
        exists: seen.is_there(),
        content: None,
    }
}

fn inspect(hub: &Hub, repo: &Repository, base: Option<&str>, seen: &WorktreeStatus) -> Content {
    let tip = |branch: &str| repo.find_branch(branch, BranchType::Local).ok()?.get().target();
    let tips = seen.branch.as_deref().and_then(tip).zip(base.and_then(tip));
    // A shallow clone may lack what is needed.
    let apart = tips.and_then(|(own, base)| repo.graph_ahead_behind(own, base).ok());
    let (size_bytes, is_larger) = size(&seen.root);
    Content {
        inspected_at: hub.now(),
        dirty: seen.is_dirty(),
        ahead: apart.map(|(ahead, _)| ahead),
        behind: apart.map(|(_, behind)| behind),
        size_bytes,
        is_larger,
        parked: seen.parked(repo),
    }
}

/// The bytes of the files below a folder, and whether not all were counted. Links are not followed.
fn size(root: &Path) -> (u64, bool) {
    let (mut bytes, mut count) = (0, 0);
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            count += 1;
            if count > MOST_FILES {
                return (bytes, true);
            }
            let Ok(found) = entry.metadata() else { continue };
            match found.is_dir() {
                true => folders.push(entry.path()),
                false => bytes += found.len(),
            }
        }
    }
    (bytes, false)
}
