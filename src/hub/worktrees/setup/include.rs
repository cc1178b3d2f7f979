//! `.worktreeinclude`: ignored files of the checkout that every worktree gets, such as `.env`.
//!
//! Lines are as in `.gitignore`. Copied is what matches **and** git ignores: never a tracked file, never the record or
//! git's own files, never anything outside of the checkout. Only names are reported, never contents.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

use anyhow::Context;
use git2::{Oid, Repository};

use super::tree_copy::{self, Budget, Links};
use crate::base::{Result, files};
use crate::hub::git::Git;
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::place::main_worktree;
use crate::hub::{Hub, paths};

/// The file, at the top of the hub or else of the main worktree.
pub const FILE: &str = ".worktreeinclude";
/// More than anybody writes into it.
const MAX: u64 = 64 * 1024;

/// What the file brought into a worktree.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Included {
    /// The files and folders that belong there now; a folder ends with `/`.
    pub names: Vec<String>,
    /// How many files were copied just now.
    pub copied: usize,
    /// What was not copied, and why.
    pub left_out: Vec<(String, &'static str)>,
}

/// Copies what `.worktreeinclude` names into a worktree. Files that are there unchanged stay. `tip` is the commit whose
/// files are never replaced; without it, that of the worktree's HEAD, which a worker could move.
///
/// # Errors
/// When the file is not a regular one, git cannot list what is ignored, or the copy is too large.
pub fn bring(hub: &Hub, root: &Path, git_dir: &Path, tip: Option<Oid>) -> Result<Included> {
    let Some(source) = source(hub, root)? else { return Ok(Included::default()) };
    let mut included = Included::default();
    let chosen = chosen(&source, &mut included.left_out)?;
    if chosen.is_empty() {
        return Ok(included);
    }
    let repo = Repository::open(git_dir).context("open the worktree's repository")?;
    let tree = match tip {
        Some(tip) => Some(repo.find_commit(tip)?.tree()?),
        // Without a commit git tracks nothing.
        None => repo.head().ok().map(|head| head.peel_to_tree()).transpose()?,
    };
    for name in chosen {
        let path = name.trim_end_matches('/');
        if tree.as_ref().is_some_and(|tree| tree.get_path(Path::new(path)).is_ok()) {
            included.left_out.push((name, "git tracks it on this branch"));
        } else {
            included.names.push(name);
        }
    }
    // Recorded first, so that no commit ever holds one of them, whatever `.gitignore` becomes.
    let mut metadata = WorktreeMetadata::read(git_dir);
    let old = metadata.copied.len();
    metadata.copied.extend(included.names.iter().map(|name| name.trim_end_matches('/').to_owned()));
    if metadata.copied.len() > old {
        metadata.write(git_dir)?;
    }
    let mut budget = Budget::default();
    for name in &included.names {
        let done = tree_copy::copy(&source, root, name.trim_end_matches('/'), Links::Inside, &mut budget)?;
        included.copied += done.files;
        included.left_out.extend(done.left_out);
    }
    Ok(included)
}

/// A file or folder that worktrees get a copy of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Original {
    pub checkout: PathBuf,
    /// Relative to the checkout.
    pub name: String,
}

impl Original {
    pub fn path(&self) -> PathBuf {
        self.checkout.join(&self.name)
    }
}

/// What [`FILE`] names.
///
/// # Errors
/// When it is not a regular file, or git cannot list what is ignored.
pub fn included(hub: &Hub) -> Result<Vec<Original>> {
    // No checkout is at this path.
    let Some(source) = source(hub, Path::new(""))? else { return Ok(Vec::new()) };
    let original = |name: &String| Original { checkout: source.clone(), name: name.trim_end_matches('/').to_owned() };
    Ok(chosen(&source, &mut Vec::new())?.iter().map(original).collect())
}

/// What the setting `copy` names, in each checkout that it is taken from.
///
/// # Errors
/// When the settings cannot be read.
pub fn listed(hub: &Hub) -> Result<Vec<Original>> {
    let copy = &hub.settings()?.worktrees.copy;
    let in_checkout = |checkout: PathBuf| {
        let inside = copy.iter().filter(|name| files::within(&checkout, name).is_ok());
        inside.map(|name| Original { checkout: checkout.clone(), name: name.clone() }).collect::<Vec<_>>()
    };
    Ok(checkouts(hub).flat_map(in_checkout).collect())
}

/// The checkout that has the file.
fn source(hub: &Hub, root: &Path) -> Result<Option<PathBuf>> {
    for checkout in checkouts(hub) {
        if has_file(&checkout)? {
            return Ok(Some(checkout).filter(|checkout| checkout != root));
        }
    }
    Ok(None)
}

/// The hub's checkout, then the main one.
pub(super) fn checkouts(hub: &Hub) -> impl Iterator<Item = PathBuf> {
    [Some(hub.root.clone()), main_worktree(hub).map(|main| main.root)].into_iter().flatten()
}

fn has_file(checkout: &Path) -> Result<bool> {
    Ok(files::read(&checkout.join(FILE), MAX)?.is_some())
}

/// What matches and is ignored, as few files and folders as possible.
fn chosen(source: &Path, left_out: &mut Vec<(String, &'static str)>) -> Result<Vec<String>> {
    let git = Git::at(source);
    let list = |rules: &str| git.bytes(&["ls-files", "--others", "--ignored", rules, "--directory", "-z"]);
    let matching = list(&format!("--exclude-from={FILE}"))?;
    if matching.is_empty() {
        return Ok(Vec::new());
    }
    // A folder that only holds ignored files is listed without being ignored itself: others may belong there.
    let listed = list("--exclude-standard")?;
    let ignored = git.feed_output(&["check-ignore", "--stdin", "-z"], &listed)?.stdout;
    let (matching, ignored) = (Listed::of(&matching), Listed::of(&ignored));
    let mut chosen: BTreeSet<&[u8]> = BTreeSet::new();
    for path in matching.0.iter().chain(&ignored.0) {
        if matching.covers(path) && ignored.covers(path) {
            chosen.insert(path);
        }
    }
    let kept = Listed(chosen);
    let mut names = Vec::new();
    for path in &kept.0 {
        let shown = String::from_utf8_lossy(path).into_owned();
        let is_git = Path::new(&shown)
            .components()
            .any(|part| matches!(part, Component::Normal(name) if name.eq_ignore_ascii_case(".git")));
        if kept.covers_from_above(path) || paths::is_owned(shown.trim_end_matches('/')) || is_git {
            continue;
        }
        match std::str::from_utf8(path) {
            Ok(name) if !name.contains('\n') => names.push(name.to_owned()),
            _ => left_out.push((shown, "its name is not plain UTF-8")),
        }
    }
    Ok(names)
}

/// Paths as git lists them; a folder ends with `/` and stands for all that is in it.
struct Listed<'a>(BTreeSet<&'a [u8]>);

impl<'a> Listed<'a> {
    fn of(bytes: &'a [u8]) -> Self {
        Self(bytes.split(|byte| *byte == 0).filter(|path| !path.is_empty()).collect())
    }

    fn covers(&self, path: &[u8]) -> bool {
        self.0.contains(path) || self.covers_from_above(path)
    }

    /// Whether a folder above it is listed.
    fn covers_from_above(&self, path: &[u8]) -> bool {
        let trimmed = path.strip_suffix(b"/").unwrap_or(path);
        let above = Path::new(OsStr::from_bytes(trimmed)).ancestors().skip(1);
        above.filter(|folder| !folder.as_os_str().is_empty()).any(|folder| {
            let folder = [folder.as_os_str().as_bytes(), b"/"].concat();
            self.0.contains(folder.as_slice())
        })
    }
}
