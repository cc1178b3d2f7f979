//! Finds foreign content in a worktree's folder that must not be deleted with it.

use std::fs;
use std::path::{Path, PathBuf};

use super::registry;
use crate::base::{Refusal, Result};
use crate::hub::Hub;

/// A folder with more entries than this is left to a person.
const MAX_ENTRIES: usize = 2_000_000;

/// Refuses to delete a worktree's folder that contains another worktree (of any repository), a mount, or a repository
/// in place of its link.
///
/// # Errors
/// `worktree.holds_others`, with the reason.
pub fn check(hub: &Hub, root: &Path, git_dir: &Path) -> Result<()> {
    let refuse = |what: &str, path: &Path| {
        Err(Refusal::guard("worktree.holds_others", format!("{what} ({})", path.display()))
            .because("it is not teof's and would be deleted with the folder")
            .next(format!("move it out of {}; then: git worktree unlock, git worktree remove", root.display()))
            .into())
    };
    let below = |path: &Path| path != root && path.starts_with(root);
    let registered = registry::all(&hub.common_dir).into_iter().map(|known| known.root);
    if let Some(path) = registered.chain([hub.root.clone()]).find(|path| below(path)) {
        return refuse("it contains another worktree", &path);
    }
    if let Some(path) = mounts().into_iter().find(|path| path.starts_with(root)) {
        return refuse("it contains a mount point", &path);
    }
    if fs::symlink_metadata(root.join(".git")).is_ok() && !registry::links_to(root, git_dir) {
        return refuse("its .git was replaced", &root.join(".git"));
    }
    match linked_below(root) {
        Some(path) => refuse("it contains a worktree or submodule of another repository", &path),
        None => Ok(()),
    }
}

/// The first `.git` file below it: the link of somebody's worktree or submodule, even if git ignores it.
fn linked_below(root: &Path) -> Option<PathBuf> {
    let (mut folders, mut seen) = (vec![root.to_owned()], 0);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            seen += 1;
            let Ok(kind) = entry.file_type() else { continue };
            if seen > MAX_ENTRIES || (kind.is_file() && entry.file_name() == ".git" && folder != root) {
                return Some(entry.path());
            }
            if kind.is_dir() {
                folders.push(entry.path());
            }
        }
    }
    None
}

/// The mount points, as far as the system lists them (Linux).
fn mounts() -> Vec<PathBuf> {
    let text = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let point = |line: &str| Some(PathBuf::from(unescaped(line.split(' ').nth(4)?)));
    text.lines().filter_map(point).collect()
}

/// A space is `\040` there.
fn unescaped(field: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(field.to_owned(), |text, (code, plain)| text.replace(code, plain))
}
