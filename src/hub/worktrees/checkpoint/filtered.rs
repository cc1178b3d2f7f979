//! Handles files under a content filter of git (such as `git-lfs`) without running the filter.
//!
//! After the set-up, size, time and inode of such a file are recorded; while they stay the same, the file counts as
//! unchanged. A changed file under `filter=lfs` becomes the pointer that git-lfs would create, with its content in
//! git-lfs's own store. Files under other filters keep the base's version and are reported.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use git2::{AttrCheckFlags, Oid, Repository};

use crate::base::{Result, digest, files};
use crate::hub::git::object_ids;
use crate::hub::worktrees::metadata::{WorktreeMetadata, stat};

/// Start of a git-lfs pointer.
const POINTER: &str = "version https://git-lfs.github.com/spec/v1\n";
/// Longer files are not pointers.
const MAX_POINTER: u64 = 1024;

/// The filter of a path, by the attributes of the repository's index.
pub fn filter_of(repo: &Repository, path: &Path) -> Option<String> {
    let found = repo.get_attr(path, "filter", AttrCheckFlags::INDEX_ONLY).ok()??;
    Some(found.to_owned())
}

/// Records the current state of the files of `tip` that are under a filter.
///
/// # Errors
/// When the commit or the metadata cannot be read or written.
pub fn remember(git_dir: &Path, root: &Path, tip: Oid) -> Result<()> {
    let repo = Repository::open(git_dir)?;
    repo.set_workdir(root, false)?;
    let mut index = object_ids::new_index(&repo)?;
    index.read_tree(&repo.find_commit(tip)?.tree()?)?;
    repo.set_index(&mut index)?;
    let mut metadata = WorktreeMetadata::read(git_dir);
    metadata.filtered.clear();
    for entry in index.iter() {
        let Ok(path) = String::from_utf8(entry.path) else { continue };
        if filter_of(&repo, Path::new(&path)).is_some()
            && let Ok(meta) = fs::symlink_metadata(root.join(&path))
        {
            metadata.filtered.insert(path, stat(&meta));
        }
    }
    metadata.write(git_dir)
}

/// The pointer that git-lfs would create for a file; the file itself if it is a pointer.
///
/// # Errors
/// When the file cannot be read.
pub fn pointer(path: &Path) -> Result<Vec<u8>> {
    let size = fs::symlink_metadata(path)?.len();
    if size <= MAX_POINTER
        && let Some(bytes) = files::read(path, MAX_POINTER)?
        && bytes.starts_with(POINTER.as_bytes())
    {
        return Ok(bytes);
    }
    let oid = digest::sha256_reader(File::open(path)?)?;
    Ok(format!("{POINTER}oid sha256:{oid}\nsize {size}\n").into_bytes())
}

/// The object of a git-lfs pointer; `None` when the blob is not a pointer.
pub fn lfs_object(blob: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(blob).ok().filter(|text| text.len() as u64 <= MAX_POINTER)?;
    let oid = text.strip_prefix(POINTER)?.lines().find_map(|line| line.strip_prefix("oid sha256:"))?;
    (oid.len() == 64 && oid.bytes().all(|b| b.is_ascii_hexdigit())).then(|| oid.to_owned())
}

/// Like [`pointer`]; also stores the content where git-lfs looks for it.
///
/// # Errors
/// As [`pointer`]; when the store cannot be written.
pub fn store(common_dir: &Path, path: &Path) -> Result<Vec<u8>> {
    let pointer = pointer(path)?;
    let is_pointer = fs::symlink_metadata(path)?.len() == pointer.len() as u64;
    if let Some(oid) = lfs_object(&pointer).filter(|_| !is_pointer) {
        let kept: PathBuf = common_dir.join("lfs/objects").join(&oid[..2]).join(&oid[2..4]).join(&oid);
        if !kept.exists() {
            files::create_parent(&kept)?;
            let half = kept.with_extension("part");
            fs::copy(path, &half).map_err(|e| files::io_refusal(e, "copy", &kept))?;
            File::open(&half)?.sync_all()?;
            fs::rename(&half, &kept).map_err(|e| files::io_refusal(e, "write", &kept))?;
        }
    }
    Ok(pointer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pointer_is_what_git_lfs_makes_and_its_content_is_kept() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.bin");
        fs::write(&file, "content\n").unwrap();
        let made = String::from_utf8(store(dir.path(), &file).unwrap()).unwrap();
        let oid = digest::sha256(b"content\n");
        assert_eq!(made, format!("{POINTER}oid sha256:{oid}\nsize 8\n"));
        let kept = dir.path().join(format!("lfs/objects/{}/{}/{oid}", &oid[..2], &oid[2..4]));
        assert_eq!(fs::read(kept).unwrap(), b"content\n");
        fs::write(&file, &made).unwrap();
        assert_eq!(pointer(&file).unwrap(), made.as_bytes(), "a pointer stays what it is");
    }
}
