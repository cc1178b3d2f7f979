//! Checks whether git tracks a file, from the index and HEAD, without a git process.

use std::path::Path;

use anyhow::Context;

use crate::base::Result;

/// The files that git tracks in one worktree.
pub struct Tracked {
    repository: git2::Repository,
    /// `None` when libgit2 cannot read it (a sparse index): then only HEAD is asked.
    index: Option<git2::Index>,
}

impl Tracked {
    /// In the worktree whose own git directory is `git_dir`.
    pub fn open(git_dir: &Path) -> Result<Tracked> {
        let repository = git2::Repository::open(git_dir).with_context(|| format!("open {}", git_dir.display()))?;
        let index = repository.index().inspect_err(|e| tracing::warn!("cannot read the index: {e}")).ok();
        Ok(Tracked { repository, index })
    }

    /// Whether `path` (relative to the worktree) is in the index or in HEAD.
    pub fn has(&self, path: &str) -> bool {
        let path = Path::new(path);
        let in_index = self.index.as_ref().is_some_and(|index| index.get_path(path, 0).is_some());
        in_index || self.in_head(path)
    }

    /// Whether git ignores `path`, were it new.
    pub fn ignores(&self, path: &str) -> bool {
        self.repository.is_path_ignored(Path::new(path)).unwrap_or(false)
    }

    fn in_head(&self, path: &Path) -> bool {
        let tree = self.repository.head().and_then(|head| head.peel_to_tree());
        tree.and_then(|tree| tree.get_path(path)).is_ok()
    }
}
