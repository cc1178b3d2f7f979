//! Git worktrees for workers: made, found again, never taken from somebody else.
//!
//! A job's worktree is `<repository>.worktrees/<job>`, on a branch of its seat, locked with a reason
//! that names job and run. What does not carry that reason is not ours: it is neither used nor touched.
//! The git directory is named wherever such a worktree is read: a `.git` replaced there means nothing.

mod branch;
pub mod clean;
pub mod half_made;
mod inside;
pub mod note;
mod prepare;
pub mod ready;
pub(super) mod registry;
mod seen;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use git2::Oid;

pub use super::filtered::pointer;
pub use prepare::prepare;
pub use registry::{clear_stale, folders_of, root_of};
pub use seen::{Seen, Whose, seen};

use super::checkpoint::{Checkpoint, Workshop};
use super::{Hub, Worktree, git::Git};
use crate::base::Result;

/// Making a worktree of a large repository takes a while, and others may be before us.
const WAIT: Duration = Duration::from_secs(120);

/// What a run needs a worktree for.
#[derive(Clone, Debug)]
pub struct Wanted<'a> {
    pub job: &'a str,
    pub task: &'a str,
    pub run: &'a str,
    pub agent: &'a str,
    /// `agent/<seat>/<slug>`.
    pub branch: &'a str,
    /// The order's base commit.
    pub base: &'a str,
    /// Jobs whose work goes on in this one, newest first: the first worktree of theirs that is there is taken over, so
    /// that who works there finds the place as it was.
    pub before: &'a [String],
}

/// A worktree, ready to be worked in.
#[derive(Clone, Debug)]
pub struct Place {
    pub root: PathBuf,
    /// `<common dir>/worktrees/<name>`.
    pub git_dir: PathBuf,
    /// The wanted branch, or `<branch>-2`… when that one holds somebody else's work; empty on none.
    pub branch: String,
    /// Where the work of this job began: the order's base, or an older one that an earlier attempt began from.
    pub base: Oid,
    /// What earlier attempts of this job committed, oldest first.
    pub checkpoints: Vec<Checkpoint>,
    /// The ref that keeps uncommitted work found here, if there was any.
    pub parked: Option<String>,
}

impl Place {
    /// The last commit of this job, or its base.
    pub fn tip(&self) -> Oid {
        self.checkpoints.last().map_or(self.base, |last| last.commit)
    }

    /// Git here, with the git directory named.
    pub fn git(&self) -> Git {
        Git::named(&self.root, &self.git_dir)
    }

    pub fn workshop(&self) -> Result<Workshop> {
        Workshop::open(&self.git_dir, &self.root)
    }
}

/// Every linked worktree that git knows of, whoever made it and whether its folder is there or not.
pub fn linked(common_dir: &Path) -> Vec<Worktree> {
    let known = registry::all(common_dir).into_iter();
    known
        .map(|found| Worktree { root: found.root, git_dir: found.git_dir, common_dir: common_dir.to_owned() })
        .collect()
}

/// The run that last worked in the job's worktree, if there is one.
pub fn last_run(hub: &Hub, job: &str) -> Option<String> {
    let known = registry::all(&hub.common_dir);
    known.iter().find(|w| w.job() == Some(job)).and_then(|w| w.run()).map(str::to_owned)
}

/// Where this repository's workers have their worktrees: the setting, or `<repository>.worktrees`.
pub fn home(hub: &Hub) -> Result<PathBuf> {
    let setting = &hub.settings()?.worker.worktrees;
    if !setting.is_empty() {
        return Ok(hub.root.join(setting));
    }
    let repository = match hub.common_dir.file_name() {
        Some(name) if name == ".git" => hub.common_dir.parent().unwrap_or(&hub.common_dir),
        _ => &hub.common_dir,
    };
    let name = repository.file_name().context("the repository lies at the root of the disk")?.to_string_lossy();
    Ok(repository.with_file_name(format!("{}.worktrees", name.trim_end_matches(".git"))))
}
