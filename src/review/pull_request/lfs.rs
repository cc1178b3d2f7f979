//! Uploads the content of git-lfs files before the branch that needs it is pushed.
//!
//! git-lfs does that in a hook, but teof's git runs no hooks. Without the content nobody can check out the branch.

use std::time::Duration;

use git2::{ObjectType, Oid, Repository};

use super::gh;
use crate::base::{Refusal, Result, text};
use crate::hub::Hub;
use crate::hub::git::gh::is_installed;
use crate::hub::worktrees::lfs_object;
use crate::review::target::merge;

/// The most objects in one call.
const AT_ONCE: usize = 100;
/// How long one call may take: the files may be large.
const LIMIT: Duration = Duration::from_secs(120);

/// Uploads the content of the pointers that `commit` changes. Does nothing without pointers.
///
/// # Errors
/// `pr.lfs` when git-lfs is not installed; `remote.failed` with its output.
pub fn upload(hub: &Hub, repo: &Repository, remote: &str, commit: Oid) -> Result<()> {
    let objects = objects(repo, commit)?;
    if objects.is_empty() {
        return Ok(());
    }
    if !is_installed("git-lfs") {
        return Err(Refusal::guard("pr.lfs", "the work has git-lfs files, but git-lfs is not installed")
            .because(format!(
                "their content would be missing at {}: {}",
                text::safe(remote),
                text::counted(objects.len(), "object")
            ))
            .next("install git-lfs for later results; nothing was pushed, and this result is merged locally")
            .into());
    }
    for some in objects.chunks(AT_ONCE) {
        let args: Vec<&str> =
            ["lfs", "push", "--object-id", remote].into_iter().chain(some.iter().map(String::as_str)).collect();
        gh::git_within(hub, &args, "git lfs push", LIMIT)?;
    }
    Ok(())
}

/// The ids of the objects, each once.
fn objects(repo: &Repository, commit: Oid) -> Result<Vec<String>> {
    let found = repo.find_commit(commit)?;
    let (tree, parent) = (found.tree()?, found.parent_id(0)?);
    let mut ids = Vec::new();
    for path in merge::changed_paths(repo, parent, commit)? {
        let Ok(entry) = tree.get_path(path.as_ref()) else { continue };
        if entry.kind() == Some(ObjectType::Blob) {
            ids.extend(lfs_object(repo.find_blob(entry.id())?.content()));
        }
    }
    ids.sort();
    ids.dedup();
    Ok(ids)
}
