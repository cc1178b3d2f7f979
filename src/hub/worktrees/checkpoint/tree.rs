//! The tree of a worktree's files as they are now, read with the git directory named.

use std::path::Path;

use anyhow::Context;
use git2::{IndexAddOption, IndexEntry, IndexTime, Oid, Repository, Tree};

use super::filtered;
use crate::base::Result;
use crate::hub::git::{libgit2, object_ids};
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::{registry, size_limit};

/// Opens the repository of a worktree by its git directory; the worktree's `.git` is not read.
pub(super) fn open(git_dir: &Path, root: &Path) -> Result<Repository> {
    registry::check_folder(git_dir, root)?;
    let repo = Repository::open(git_dir).with_context(|| format!("open {}", git_dir.display()))?;
    libgit2::make_durable(&repo)?;
    repo.set_workdir(root, false)?;
    libgit2::ignore_agents_files(&repo)?;
    Ok(repo)
}

/// The tree of the worktree's files over `parent`, read again because the worktree's index could hide changes,
/// and the nested repositories that `parent` does not have. Copied-in files are left out.
///
/// # Errors
/// [`size_limit::TOO_LARGE`] before anything is read.
pub(super) fn over(
    git_dir: &Path,
    root: &Path,
    parent: &Tree,
    mut skip: impl FnMut(&Path) -> bool,
) -> Result<(Oid, Vec<String>)> {
    let repo = open(git_dir, root)?;
    size_limit::check(&repo, root, parent, size_limit::MAX_NEW)?;
    let mut index = object_ids::new_index(&repo)?;
    index.read_tree(parent)?;
    repo.set_index(&mut index)?;
    let metadata = WorktreeMetadata::read(git_dir);
    let mut nested = Vec::new();
    let mut pointers = Vec::new();
    let mut choose = |path: &Path, _: &[u8]| {
        let repository = path.as_os_str().as_encoded_bytes().ends_with(b"/");
        if repository {
            nested.push(path.to_string_lossy().into_owned());
        }
        let skipped = repository || metadata.is_copied(path) || skip(path);
        let filter = if skipped { None } else { filtered::filter_of(&repo, path) };
        let there = std::fs::symlink_metadata(root.join(path)).ok().filter(|meta| meta.is_file());
        if let (Some(filter), Some(meta)) = (&filter, there)
            && filter == "lfs"
            && !metadata.is_as_left(path, &meta)
        {
            pointers.push((path.to_owned(), meta));
        }
        i32::from(skipped || filter.is_some())
    };
    index.add_all(["*"], IndexAddOption::DEFAULT, Some(&mut choose)).context("read the worktree")?;
    for (path, meta) in pointers {
        let pointer = filtered::store(repo.commondir(), &root.join(&path))?;
        index.add(&entry(&repo, &path, &meta, &pointer)?)?;
    }
    Ok((index.write_tree_to(&repo)?, nested))
}

/// An index entry for a file with other content than the file's own.
fn entry(repo: &Repository, path: &Path, meta: &std::fs::Metadata, content: &[u8]) -> Result<IndexEntry> {
    let time = IndexTime::new(0, 0);
    let executable = std::os::unix::fs::MetadataExt::mode(meta) & 0o100 != 0;
    Ok(IndexEntry {
        ctime: time,
        mtime: time,
        dev: 0,
        ino: 0,
        mode: if executable { 0o100_755 } else { 0o100_644 },
        uid: 0,
        gid: 0,
        file_size: 0,
        id: repo.blob(content)?,
        flags: 0,
        flags_extended: 0,
        path: path.as_os_str().as_encoded_bytes().to_vec(),
    })
}
