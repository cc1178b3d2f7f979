//! Handles partial clones: git fetches missing objects on demand, libgit2 does not.
//!
//! A job reads every file of its base, so all of them must be local before it starts.

use git2::{ErrorCode, ObjectType, Oid, Repository, TreeWalkMode, TreeWalkResult};

use crate::base::{Refusal, Result};

/// Whether a remote promises objects that were left out.
pub fn is_partial(repo: &Repository) -> bool {
    let Ok(config) = repo.config() else { return false };
    let Ok(mut entries) = config.entries(Some("^remote\\..*\\.promisor$")) else { return false };
    std::iter::from_fn(|| {
        entries
            .next()
            .map(|entry| entry.is_ok_and(|entry| !entry.has_value() || entry.value().unwrap_or_default() == "true"))
    })
    .any(|promises| promises)
}

/// Refuses when a file of the commit is missing from this clone. Checks nothing in a complete clone.
///
/// # Errors
/// `repository.incomplete`, with the command that fetches the rest.
pub fn check_files(repo: &Repository, commit: Oid) -> Result<()> {
    if !is_partial(repo) {
        return Ok(());
    }
    let (tree, odb) = (repo.find_commit(commit)?.tree()?, repo.odb()?);
    let mut missing = None;
    let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        if entry.kind() == Some(ObjectType::Blob) && !odb.exists(entry.id()) {
            missing = Some(format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes())));
            return TreeWalkResult::Abort;
        }
        TreeWalkResult::Ok
    });
    match (missing, walked) {
        (Some(path), _) => Err(incomplete(commit, &path).into()),
        (None, Err(e)) if e.code() == ErrorCode::NotFound => Err(incomplete(commit, "a folder").into()),
        (None, walked) => Ok(walked?),
    }
}

fn incomplete(commit: Oid, what: &str) -> Refusal {
    let what = crate::base::text::safe(what);
    Refusal::guard("repository.incomplete", "this partial clone lacks required files")
        .because(format!(
            "{what} of {commit} was not fetched, and a job reads all of its base (git fetch --refetch --no-filter)"
        ))
        .next("fetch everything, then try again: git fetch --refetch --no-filter")
}
