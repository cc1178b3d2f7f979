//! A copy of a worktree's last commit in a repository of its own, for an agent that is only tried.
//!
//! A linked worktree would be known to the repository, and would have to be cleaned up there after a kill. The copy
//! borrows the repository's objects; files are written through libgit2, so no configured filter runs.

use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::build::CheckoutBuilder;
use git2::{Repository, RepositoryInitOptions};

use crate::base::Result;
use crate::hub::Hub;
use crate::hub::git::libgit2;
use crate::hub::worktrees;

/// Removed when dropped.
pub struct Copy {
    pub root: PathBuf,
    pub git_dir: PathBuf,
}

impl Copy {
    /// Writes the files of the last commit here into `root`, which must not exist. Without a commit it stays empty.
    ///
    /// # Errors
    /// When the files cannot be written.
    pub fn create(hub: &Hub, root: &Path) -> Result<Self> {
        let here = Repository::open(&hub.here.root)?;
        let mut options = RepositoryInitOptions::new();
        // What it borrows has names of one kind.
        options.object_format(here.object_format()).external_template(false);
        let made = Repository::init_opts(root, &options);
        let made = made.with_context(|| format!("make a repository in {}", root.display()))?;
        let copy = Self { root: root.canonicalize()?, git_dir: made.path().canonicalize()? };
        let Ok(head) = here.head().and_then(|head| head.peel_to_commit().map(|commit| commit.id())) else {
            return Ok(copy);
        };
        let objects = hub.common_dir.canonicalize()?.join("objects");
        let borrowed = objects.to_str().context("the path of the repository is not UTF-8")?;
        std::fs::create_dir_all(copy.git_dir.join("objects/info"))?;
        std::fs::write(copy.git_dir.join("objects/info/alternates"), format!("{borrowed}\n"))?;
        // Opened again, because that is when it looks for alternates.
        let repository = Repository::open(&copy.root)?;
        let tree = repository.find_commit(head)?;
        repository.set_head_detached(head)?;
        repository.checkout_tree(tree.as_object(), Some(CheckoutBuilder::new().force())).context("write the files")?;
        Ok(copy)
    }

    /// The files that differ from the commit, ignored ones left out.
    ///
    /// # Errors
    /// When the copy cannot be read any more.
    pub fn changes(&self) -> Result<Vec<String>> {
        let repository = Repository::open(&self.git_dir)?;
        repository.set_workdir(&self.root, false)?;
        libgit2::ignore_agents_files(&repository)?;
        let mut options = git2::StatusOptions::new();
        options.include_untracked(true);
        let statuses = repository.statuses(Some(&mut options))?;
        Ok(statuses.iter().map(|entry| String::from_utf8_lossy(entry.path_bytes()).into_owned()).collect())
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if let Err(e) = worktrees::clean::delete_folder(&self.root) {
            tracing::warn!("cannot remove {}: {e:#}", self.root.display());
        }
    }
}
