//! Copies files and folders between checkouts, without following links.
//!
//! A file system that can share blocks (Btrfs, XFS, bcachefs) copies a file of any size at once. Modification times are
//! kept, so that build tools see nothing new, and a second copy skips what is the same.

use std::fs::{self, File, FileTimes, OpenOptions, Permissions};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Component, Path};

use anyhow::Context;

use crate::base::{Refusal, Result, files};

/// What one copy may take.
pub const MAX_FILES: usize = 200_000;
/// Bytes that are really copied; shared blocks do not count.
pub const MAX_BYTES: u64 = 4 << 30;

/// Which links are made again as they are. No link is ever followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Links {
    /// Only relative ones that stay inside the checkout.
    Inside,
    /// All: a trusted command made them.
    All,
}

/// What was copied, and what was left out and why.
#[derive(Clone, Debug, Default)]
pub struct Copied {
    /// Files that were not there already.
    pub files: usize,
    pub left_out: Vec<(String, &'static str)>,
}

/// Copies `path`, a file or a folder relative to both roots, from one checkout to another.
///
/// Files that are there with the same size and time stay; others are replaced. Repositories and checkouts inside the
/// folder are left out.
///
/// # Errors
/// `worktree.copy` past the limits; when the disk is full, or a link of the target leads elsewhere.
pub fn copy(from: &Path, to: &Path, path: &str, links: Links, budget: &mut Budget) -> Result<Copied> {
    let mut copied = Copied::default();
    entry(from, to, path, links, budget, &mut copied)?;
    Ok(copied)
}

/// What is left of the limits.
#[derive(Clone, Debug)]
pub struct Budget {
    files: usize,
    bytes: u64,
}

impl Default for Budget {
    fn default() -> Self {
        Self { files: MAX_FILES, bytes: MAX_BYTES }
    }
}

impl Budget {
    fn spend(&mut self, path: &str, bytes: u64) -> Result<()> {
        let too_much = |what: String| {
            Refusal::guard("worktree.copy", format!("not copied into the worktree: {path}"))
                .because(format!("more than {what} would be copied"))
                .next("name fewer files in .worktreeinclude or [worktrees] cache")
                .next("or let a command make them: [worktrees] setup")
        };
        self.files = self.files.checked_sub(1).ok_or_else(|| too_much(format!("{MAX_FILES} files")))?;
        self.bytes = self.bytes.checked_sub(bytes).ok_or_else(|| too_much(format!("{} GB", MAX_BYTES >> 30)))?;
        Ok(())
    }
}

fn entry(from: &Path, to: &Path, path: &str, links: Links, budget: &mut Budget, copied: &mut Copied) -> Result<()> {
    let source = files::within(from, path)?;
    let Ok(found) = fs::symlink_metadata(&source) else {
        copied.left_out.push((path.to_owned(), "it is not there"));
        return Ok(());
    };
    let kind = found.file_type();
    if kind.is_dir() {
        return folder(from, to, path, links, budget, copied);
    }
    let target = files::within(to, path)?;
    if kind.is_symlink() {
        let goal = fs::read_link(&source).with_context(|| format!("read {}", source.display()))?;
        if links == Links::Inside && !stays_inside(path, &goal) {
            copied.left_out.push((path.to_owned(), "a link that leaves the checkout"));
            return Ok(());
        }
        if fs::read_link(&target).is_ok_and(|there| there == goal) {
            return Ok(());
        }
        budget.spend(path, 0)?;
        make_room(&target)?;
        symlink(&goal, &target).map_err(|e| files::io_refusal(e, "link", &target))?;
    } else if kind.is_file() {
        let Some(file) = files::open_regular(&source)? else { return Ok(()) };
        let meta = file.metadata()?;
        if is_same(&meta, &target) {
            return Ok(());
        }
        file_copy(&file, &meta, &target, path, budget)?;
    } else {
        copied.left_out.push((path.to_owned(), "neither a file nor a folder"));
        return Ok(());
    }
    copied.files += 1;
    Ok(())
}

fn folder(from: &Path, to: &Path, path: &str, links: Links, budget: &mut Budget, copied: &mut Copied) -> Result<()> {
    let source = from.join(path);
    if fs::symlink_metadata(source.join(".git")).is_ok() {
        copied.left_out.push((path.to_owned(), "a repository or a checkout of its own"));
        return Ok(());
    }
    let target = files::within(to, path)?;
    if fs::symlink_metadata(&target).is_ok_and(|found| !found.is_dir()) {
        make_room(&target)?;
    }
    fs::create_dir_all(&target).map_err(|e| files::io_refusal(e, "create", &target))?;
    let entries = fs::read_dir(&source).map_err(|e| files::io_refusal(e, "read", &source))?;
    for found in entries {
        let name = found.map_err(|e| files::io_refusal(e, "read", &source))?.file_name();
        match name.to_str() {
            Some(name) if !name.contains('\n') => {
                entry(from, to, &format!("{path}/{name}"), links, budget, copied)?;
            }
            _ => copied.left_out.push((format!("{path}/{}", name.to_string_lossy()), "its name is not plain UTF-8")),
        }
    }
    Ok(())
}

/// Whether a link at `path` leads to a place below the root, by names alone.
fn stays_inside(path: &str, goal: &Path) -> bool {
    let mut depth = Path::new(path).components().count() - 1;
    for part in goal.components() {
        match part {
            Component::Normal(name) if !name.eq_ignore_ascii_case(".git") => depth += 1,
            Component::CurDir => {}
            Component::ParentDir if depth > 0 => depth -= 1,
            _ => return false,
        }
    }
    true
}

fn is_same(source: &fs::Metadata, target: &Path) -> bool {
    let time = |meta: &fs::Metadata| (meta.mtime(), meta.mtime_nsec());
    fs::symlink_metadata(target).is_ok_and(|there| {
        there.is_file() && there.len() == source.len() && time(&there) == time(source) && there.mode() == source.mode()
    })
}

/// Removes what has the target's name, and makes its folder.
fn make_room(target: &Path) -> Result<()> {
    if let Some(folder) = target.parent() {
        fs::create_dir_all(folder).map_err(|e| files::io_refusal(e, "create", folder))?;
    }
    match fs::symlink_metadata(target) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(target),
        Ok(_) => fs::remove_file(target),
        Err(_) => Ok(()),
    }
    .map_err(|e| files::io_refusal(e, "replace", target))
}

fn file_copy(from: &File, meta: &fs::Metadata, target: &Path, path: &str, budget: &mut Budget) -> Result<()> {
    make_room(target)?;
    let mode = meta.permissions().mode() & 0o777;
    let opened = OpenOptions::new().write(true).create_new(true).mode(mode & 0o700 | 0o200).open(target);
    let mut to = opened.map_err(|e| files::io_refusal(e, "create", target))?;
    let shared = share_blocks(from, &to);
    budget.spend(path, if shared { 0 } else { meta.len() })?;
    let mut write = || -> std::io::Result<()> {
        if !shared {
            let mut from = from;
            std::io::copy(&mut from, &mut to)?;
        }
        to.set_permissions(Permissions::from_mode(mode))?;
        to.set_times(FileTimes::new().set_modified(meta.modified()?))
    };
    write().map_err(|e| files::io_refusal(e, "copy", target))
}

/// Lets the new file share the old one's blocks, where the file system can.
#[cfg(target_os = "linux")]
fn share_blocks(from: &File, to: &File) -> bool {
    rustix::fs::ioctl_ficlone(to, from).is_ok()
}

#[cfg(not(target_os = "linux"))]
fn share_blocks(_: &File, _: &File) -> bool {
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_stays_inside_by_names_alone() {
        for (path, goal, inside) in [
            ("a/b", "../c", true),
            ("a/b", "c/../../d", true),
            ("a/b", "../../c", false),
            ("a", "/etc/passwd", false),
            ("a", "../r/x", false),
            ("a", ".git/config", false),
        ] {
            assert_eq!(stays_inside(path, Path::new(goal)), inside, "{path} -> {goal}");
        }
    }

    #[test]
    fn a_copy_keeps_modes_and_times_follows_no_link_and_leaves_checkouts_out() {
        let dir = tempfile::tempdir().unwrap();
        let (from, to) = (dir.path().join("from"), dir.path().join("to"));
        for folder in ["from/deps/bin", "from/deps/own/.git", "to", "outside"] {
            fs::create_dir_all(dir.path().join(folder)).unwrap();
        }
        fs::write(dir.path().join("outside/secret"), "s").unwrap();
        fs::write(from.join("deps/run.sh"), "x").unwrap();
        fs::set_permissions(from.join("deps/run.sh"), Permissions::from_mode(0o755)).unwrap();
        fs::write(from.join("deps/own/file"), "y").unwrap();
        symlink("../run.sh", from.join("deps/bin/run")).unwrap();
        symlink("../../outside/secret", from.join("deps/out")).unwrap();

        let mut budget = Budget::default();
        let copied = copy(&from, &to, "deps", Links::Inside, &mut budget).unwrap();
        assert_eq!(copied.files, 2, "{copied:?}");
        assert_eq!(copied.left_out.len(), 2, "{copied:?}");
        assert_eq!(fs::read_link(to.join("deps/bin/run")).unwrap(), Path::new("../run.sh"));
        let (old, new) =
            (fs::metadata(from.join("deps/run.sh")).unwrap(), fs::metadata(to.join("deps/run.sh")).unwrap());
        assert_eq!((old.mode(), old.mtime(), old.len()), (new.mode(), new.mtime(), new.len()));
        assert_eq!(copy(&from, &to, "deps", Links::Inside, &mut budget).unwrap().files, 0, "all is there already");

        // A link that an agent left in place of the folder does not lead the copy out of the worktree.
        fs::remove_dir_all(to.join("deps")).unwrap();
        symlink(dir.path().join("outside"), to.join("deps")).unwrap();
        copy(&from, &to, "deps", Links::Inside, &mut budget).unwrap();
        assert!(!dir.path().join("outside/run.sh").exists() && to.join("deps/run.sh").is_file());
        let err = copy(&from, &to, "deps/run.sh", Links::Inside, &mut Budget { files: 0, bytes: 9 });
        assert!(err.is_ok(), "the same file costs nothing");
        fs::write(from.join("deps/run.sh"), "longer").unwrap();
        let err = copy(&from, &to, "deps/run.sh", Links::Inside, &mut Budget { files: 0, bytes: 9 }).unwrap_err();
        assert!(err.to_string().contains("not copied"), "{err:#}");
    }
}
