//! Limits how much untracked data a checkpoint reads, and how deep its folders are.
//!
//! A checkpoint reads and stores every file that git does not ignore, without a time limit. A large file costs its
//! writer nothing (`truncate`), so the lengths are added up before anything is read.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};

use git2::{Repository, Tree};

use super::metadata::WorktreeMetadata;
use crate::base::{Refusal, Result, text};
use crate::hub::rule_files;

/// Limit on new or changed data in a worktree, in bytes; a few seconds of reading.
pub const MAX_NEW: u64 = 512 * 1024 * 1024;

/// The code of the refusal.
pub const TOO_LARGE: &str = "worktree.too_large";
/// The code of the refusal.
pub const TOO_DEEP: &str = "worktree.too_deep";

/// Code of the refusal when a git rule file is a FIFO.
const SPECIAL: &str = "file.not_regular";

/// libgit2 does not read folders nested this deeply.
const MAX_DEPTH: usize = 100;

/// Shorter files are not counted: very many would be needed.
const COUNTED: u64 = 64 * 1024;
/// A folder with more entries is not read completely.
const MAX_ENTRIES: usize = 1_000_000;

/// Refuses a worktree whose new files (not ignored, and not in `parent` with the same length) exceed `limit` bytes in
/// total.
///
/// # Errors
/// [`TOO_LARGE`], with the largest file; [`TOO_DEEP`] and [`SPECIAL`] for any `limit`.
pub fn check(repo: &Repository, root: &Path, parent: &Tree, limit: u64) -> Result<()> {
    let mut walk = Walk {
        repo,
        root,
        parent,
        metadata: WorktreeMetadata::read(repo.path()),
        total: 0,
        largest: None,
        deepest: None,
        ignores: true,
        special: None,
    };
    walk.run();
    if let Some(special) = walk.special {
        return Err(special);
    }
    if let Some(path) = walk.deepest {
        let shown = text::clip(&text::safe(&path.to_string_lossy()), 400);
        return Err(Refusal::guard(TOO_DEEP, "folders in the worktree are nested too deeply")
            .because(format!("the limit is {MAX_DEPTH} levels, exceeded by {shown}"))
            .next(format!("delete it or add it to .gitignore, in {}", root.display()))
            .into());
    }
    if walk.total <= limit {
        return Ok(());
    }
    let (size, path) = walk.largest.unwrap_or_default();
    let megabytes = |bytes: u64| bytes.div_ceil(1024 * 1024);
    Err(Refusal::guard(TOO_LARGE, format!("the worktree has {} MiB of new files", megabytes(walk.total)))
        .because(format!(
            "the limit is {} MiB; the largest file is {} ({} MiB)",
            megabytes(limit),
            text::safe(&path.to_string_lossy()),
            megabytes(size)
        ))
        .next(format!("delete it or add it to .gitignore, in {}", root.display()))
        .into())
}

/// The refusal of [`check`], if an error is one.
pub fn refusal(error: &anyhow::Error) -> Option<Refusal> {
    Refusal::of(error).filter(|refusal| [TOO_LARGE, TOO_DEEP, SPECIAL].contains(&refusal.code)).cloned()
}

struct Walk<'a> {
    repo: &'a Repository,
    root: &'a Path,
    parent: &'a Tree<'a>,
    metadata: WorktreeMetadata,
    total: u64,
    largest: Option<(u64, PathBuf)>,
    /// A folder that is nested too deeply; it is not read.
    deepest: Option<PathBuf>,
    /// False once a git rule file is not a regular file: reading it could block.
    ignores: bool,
    special: Option<anyhow::Error>,
}

impl Walk<'_> {
    fn run(&mut self) {
        let mut folders = vec![PathBuf::new()];
        let mut seen = 0;
        while let Some(folder) = folders.pop() {
            if let Err(special) = rule_files::check_folder(&self.root.join(&folder)) {
                self.ignores = false;
                self.special = Some(special);
            }
            // Unreadable files cannot be saved either; saving them reports the error.
            for entry in fs::read_dir(self.root.join(&folder)).into_iter().flatten().flatten() {
                seen += 1;
                let name = entry.file_name();
                let Ok(meta) = fs::symlink_metadata(entry.path()) else { continue };
                let path = folder.join(&name);
                if name == ".git" || seen > MAX_ENTRIES {
                    continue;
                }
                if meta.is_dir() {
                    if self.is_ignored(&path.join("")) {
                        continue;
                    }
                    match path.components().count() < MAX_DEPTH {
                        true => folders.push(path),
                        false => self.deepest = Some(path),
                    }
                } else {
                    self.count(path, &meta);
                }
            }
        }
    }

    fn count(&mut self, path: PathBuf, meta: &Metadata) {
        let size = meta.len();
        if !meta.is_file() || size < COUNTED || self.metadata.is_copied(&path) || self.metadata.is_as_left(&path, meta)
        {
            return;
        }
        if self.is_known(&path, size) || self.is_ignored(&path) {
            return;
        }
        self.total = self.total.saturating_add(size);
        if self.largest.as_ref().is_none_or(|(largest, _)| *largest < size) {
            self.largest = Some((size, path));
        }
    }

    fn is_known(&self, path: &Path, size: u64) -> bool {
        let header = |id| self.repo.odb().and_then(|odb| odb.read_header(id));
        self.parent.get_path(path).and_then(|entry| header(entry.id())).is_ok_and(|(len, _)| len as u64 == size)
    }

    fn is_ignored(&self, path: &Path) -> bool {
        self.ignores && self.repo.is_path_ignored(path).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::git::Git;

    #[test]
    fn lengths_count_that_git_does_not_ignore_and_the_parent_does_not_have() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let git = Git::at(&root);
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        fs::write(root.join("asset.bin"), vec![7; 3 * COUNTED as usize]).unwrap();
        fs::write(root.join(".gitignore"), "/out/\n").unwrap();
        git.run(&["add", "."]).unwrap();
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "base"]).unwrap();
        let long = |path: &str, length: u64| {
            let file = fs::File::create(root.join(path)).unwrap();
            file.set_len(length).unwrap();
        };
        let repo = Repository::open(&root).unwrap();
        let parent = repo.head().unwrap().peel_to_tree().unwrap();
        let code = || {
            let checked = check(&repo, &root, &parent, 2 * COUNTED);
            checked.err().map(|e| Refusal::of(&e).unwrap().reason.clone().unwrap())
        };
        assert_eq!(code(), None, "the parent has it");
        fs::create_dir_all(root.join("out/deep")).unwrap();
        long("out/deep/huge.bin", 1 << 40);
        assert_eq!(code(), None, "git ignores it");
        long("a.bin", COUNTED + 1);
        assert_eq!(code(), None, "it is not too much yet");
        fs::create_dir(root.join("deep")).unwrap();
        long("deep/b\u{1b}.bin", 1 << 40);
        let why = code().unwrap();
        assert!(why.contains("deep/b") && why.contains("1048576 MiB") && !why.contains('\u{1b}'), "{why}");
        fs::remove_file(root.join("deep/b\u{1b}.bin")).unwrap();
        long("asset.bin", 1 << 40);
        assert!(code().unwrap().contains("asset.bin"), "it grew");
    }
}
