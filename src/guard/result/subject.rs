//! The input of a result check: where the result is, and its limits.

use std::path::Path;

use super::surroundings::Surroundings;

/// The result to check.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// The repository's common git dir: objects and branches are read from there.
    pub common_dir: &'a Path,
    /// The worktree's own git dir, as it was made; never read from the worktree's `.git`.
    pub git_dir: &'a Path,
    pub worktree: &'a Path,
    /// Without `refs/heads/`.
    pub branch: &'a str,
    /// The commit that the work started from.
    pub base: &'a str,
    /// What [`dotgit::observe`](super::dotgit::observe) recorded before the work started.
    pub before: Option<&'a Surroundings>,
}

/// The limits for a result.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    /// Lines added plus lines removed.
    pub diff_lines: u64,
    /// Globs; empty means everywhere that is not denied.
    pub allowed: Vec<String>,
    pub denied: Vec<String>,
    /// Globs whose change needs a person, in addition to the built-in ones.
    pub protected: Vec<String>,
    /// Files that were copied into the worktree (`.env`) and must not be committed.
    pub copied: Vec<String>,
    /// Globs of files that tools write: they do not count for the limit.
    pub generated: Vec<String>,
}
