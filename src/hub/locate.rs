//! Finds the worktree that contains a path, by reading files: no git process, no libgit2.
//!
//! Every command does this first, hundreds of times an hour, so it must be fast. It is the one place that reads HEAD as
//! a file: all other references go through libgit2 or git. [`format`] refuses repositories that keep them elsewhere.

use std::fs;
use std::path::{Path, PathBuf};

use super::format;
use crate::base::{Refusal, Result};

/// A git worktree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Worktree {
    pub root: PathBuf,
    /// Its own git directory: `.git`, or `<common>/worktrees/<name>`.
    pub git_dir: PathBuf,
    /// The git directory that all worktrees share.
    pub common_dir: PathBuf,
}

impl Worktree {
    /// The worktree that contains `start`.
    ///
    /// # Errors
    /// A refusal outside a repository, and in one that teof does not support (see [`format`]).
    pub fn containing(start: &Path) -> Result<Worktree> {
        let start = start.canonicalize().map_err(|e| {
            Refusal::not_found("root.missing", format!("{} does not exist", start.display()))
                .because(e.to_string())
                .next("pass an existing folder: teof --root <path> …")
        })?;
        for folder in start.ancestors() {
            let found = match Self::at(folder) {
                Some(found) => found,
                None if is_git_dir(folder) => inside_git_dir(folder),
                None => continue,
            };
            format::check(&found.root, &found.git_dir, &found.common_dir)?;
            return Ok(found);
        }
        Err(Refusal::not_found("repository.missing", format!("{} is not in a git repository", start.display()))
            .because("teof keeps its record in the git repository that it works on")
            .next("cd <your repository>")
            .next("to try teof without one: teof quickstart")
            .into())
    }

    /// The worktree whose root is exactly `root`.
    pub fn at(root: &Path) -> Option<Worktree> {
        let dot_git = root.join(".git");
        let git_dir = if dot_git.is_dir() {
            dot_git
        } else {
            let text = fs::read_to_string(&dot_git).ok()?;
            root.join(text.strip_prefix("gitdir:")?.trim())
        };
        let git_dir = git_dir.canonicalize().ok()?;
        let common_dir = match fs::read_to_string(git_dir.join("commondir")) {
            Ok(text) => git_dir.join(text.trim()).canonicalize().ok()?,
            Err(_) => git_dir.clone(),
        };
        is_git_dir(&common_dir).then(|| Worktree { root: root.to_owned(), git_dir, common_dir })
    }

    /// The worktree next to a common dir named `.git`: the main one of an ordinary repository.
    pub fn main_of(common_dir: &Path) -> Option<Worktree> {
        if common_dir.file_name()? != ".git" || is_bare(common_dir) {
            return None;
        }
        Self::at(common_dir.parent()?)
    }

    /// The branch that HEAD names; `None` when detached or unreadable.
    pub fn branch(&self) -> Option<String> {
        branch_of(&self.git_dir)
    }

    /// The unfinished git operation here.
    pub fn operation(&self) -> Option<&'static str> {
        let signs = [
            ("rebase-merge", "a rebase"),
            ("rebase-apply", "a rebase"),
            ("MERGE_HEAD", "a merge"),
            ("CHERRY_PICK_HEAD", "a cherry-pick"),
            ("REVERT_HEAD", "a revert"),
            // Between two picks of a longer sequence.
            ("sequencer", "a cherry-pick"),
            ("BISECT_LOG", "a bisect"),
        ];
        signs.into_iter().find(|(sign, _)| self.git_dir.join(sign).exists()).map(|(_, name)| name)
    }

    /// The unfinished operation that started on `branch` and will return to it. HEAD is detached meanwhile, and git
    /// lets nobody else move the branch.
    pub fn holding(&self, branch: &str) -> Option<&'static str> {
        let reference = format!("refs/heads/{branch}");
        let names = |file: &str, what: &str| {
            let text = fs::read_to_string(self.git_dir.join(file)).unwrap_or_default();
            text.lines().any(|line| line.trim_end() == what)
        };
        let rebase = ["rebase-merge/head-name", "rebase-merge/update-refs", "rebase-apply/head-name"];
        if rebase.into_iter().any(|file| names(file, &reference)) {
            return Some("a rebase");
        }
        // Git stores the short name there.
        let bisects = self.git_dir.join("BISECT_LOG").exists()
            && (names("BISECT_START", branch) || names("BISECT_START", &reference));
        bisects.then_some("a bisect")
    }
}

/// The branch that HEAD of a git directory names. The only place that reads a reference as a file: every command
/// needs it first, and [`super::format`] has refused repositories that store references elsewhere.
pub fn branch_of(git_dir: &Path) -> Option<String> {
    let head = git_dir.join("HEAD");
    // `core.preferSymlinkRefs` makes HEAD a link to the file of its branch.
    let target = match fs::read_link(&head) {
        Ok(target) => target.into_os_string().into_string().ok()?,
        // Git accepts any blanks there.
        Err(_) => fs::read_to_string(&head).ok()?.trim().strip_prefix("ref:")?.trim_start().to_owned(),
    };
    target.strip_prefix("refs/heads/").map(str::to_owned)
}

fn is_git_dir(folder: &Path) -> bool {
    folder.join("HEAD").is_file() && folder.join("objects").is_dir() && folder.join("refs").is_dir()
}

/// Whether the configuration says `bare = true`; read as text, for this one question.
pub(super) fn is_bare(common_dir: &Path) -> bool {
    let config = fs::read_to_string(common_dir.join("config")).unwrap_or_default();
    config.lines().any(|line| line.replace(char::is_whitespace, "").eq_ignore_ascii_case("bare=true"))
}

fn inside_git_dir(folder: &Path) -> Worktree {
    // A bare repository has no worktree of its own, but its pin may name one of its linked worktrees.
    let bare = || Worktree { root: folder.to_owned(), git_dir: folder.to_owned(), common_dir: folder.to_owned() };
    Worktree::main_of(folder).unwrap_or_else(bare)
}
