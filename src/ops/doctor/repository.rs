//! Repository settings and states that `doctor` reports because teof or people are affected by them.

use git2::{ErrorClass, ErrorCode, Repository, TreeWalkMode, TreeWalkResult};

use super::attributes::Problem;
use crate::base::{Refusal, Result, text};
use crate::hub::git::{errors, partial, sparse};
use crate::hub::{Hub, paths};
use crate::ops::record;

/// How many objects of the record are looked at.
const MOST_OBJECTS: usize = 20_000;

/// Changes nothing.
///
/// # Errors
/// When the repository cannot be opened, or git cannot be asked.
pub fn problems(hub: &Hub) -> Result<Vec<Problem>> {
    let mut found = Vec::new();
    if let Err(e) = sparse::check(&hub.worktree()) {
        let refusal = Refusal::of(&e).filter(|refusal| refusal.code == "repository.sparse").cloned().ok_or(e)?;
        let why = refusal.reason.unwrap_or_default();
        found.push(Problem {
            code: refusal.code,
            message: format!("{}: {why}", refusal.message),
            fix: refusal.next.join("; or: "),
            note: false,
        });
    } else if let Some(why) = record::withheld(hub)? {
        let fix = "fix that, then: teof bus commit".to_owned();
        found.push(Problem {
            code: "record.withheld",
            message: format!("the record is not committed: {why}"),
            fix,
            note: false,
        });
    }
    let repo = Repository::open_bare(&hub.common_dir)?;
    found.extend(damaged(hub, &repo));
    found.extend(elsewhere(hub, &repo));
    if repo.is_shallow() {
        let message = "this is a shallow clone: work based on commits before its oldest one cannot be \
            merged"
            .to_owned();
        found.push(Problem {
            code: "repository.shallow",
            message,
            fix: "git fetch --unshallow".to_owned(),
            note: true,
        });
    }
    if partial::is_partial(&repo) {
        found.extend(left_out(hub, &repo)?);
        let message = "this is a partial clone: checks and reviews need local objects".to_owned();
        let fix = "if objects are missing: git fetch --refetch --no-filter".to_owned();
        found.push(Problem { code: "repository.partial", message, fix, note: true });
    }
    Ok(found)
}

/// What of HEAD and of the record's files in it cannot be read, as after a power failure.
fn damaged(hub: &Hub, repo: &Repository) -> Option<Problem> {
    let broken = |what: String, why: git2::Error| {
        let refusal = errors::damaged("");
        let message = format!("{}: {what}: {}", refusal.message, text::safe(why.message()));
        Problem { code: refusal.code, message, fix: refusal.next.join("; "), note: false }
    };
    let branch = format!("refs/heads/{}", hub.worktree().branch()?);
    let tree = match repo.find_reference(&branch).and_then(|head| head.peel_to_commit()?.tree()) {
        Ok(tree) => tree,
        Err(e) if e.code() == ErrorCode::NotFound && e.class() == ErrorClass::Reference => return None,
        Err(e) => return Some(broken(format!("{branch} cannot be read"), e)),
    };
    // A partial clone lacks objects on purpose.
    let odb = repo.odb().ok().filter(|_| !partial::is_partial(repo))?;
    let (mut found, mut left) = (None, MOST_OBJECTS);
    let walked = tree.walk(TreeWalkMode::PreOrder, |folder, entry| {
        let path = format!("{folder}{}", String::from_utf8_lossy(entry.name_bytes()));
        if !paths::OWNED.iter().any(|top| path == *top || folder.starts_with(&format!("{top}/"))) {
            // Other folders are left out, with what is in them.
            return TreeWalkResult::Skip;
        }
        left -= 1;
        match odb.read_header(entry.id()) {
            Err(e) => found = Some(broken(format!("{} in HEAD cannot be read", text::safe(&path)), e)),
            Ok(_) if left > 0 => return TreeWalkResult::Ok,
            Ok(_) => {}
        }
        TreeWalkResult::Abort
    });
    match (found, walked) {
        (None, Err(e)) if left > 0 => Some(broken("HEAD has a folder that cannot be read".to_owned(), e)),
        (found, _) => found,
    }
}

/// Files that a job needs and that a partial clone lacks.
fn left_out(hub: &Hub, repo: &Repository) -> Result<Option<Problem>> {
    let target = Some(hub.settings()?.git.target.clone()).filter(|target| !target.is_empty()).or_else(|| hub.branch());
    let tip = target.and_then(|target| repo.refname_to_id(&format!("refs/heads/{target}")).ok());
    let Some(Err(e)) = tip.map(|tip| partial::check_files(repo, tip)) else { return Ok(None) };
    let refusal = Refusal::of(&e).cloned().ok_or(e)?;
    let why = refusal.reason.unwrap_or_default();
    let (message, fix) = (format!("{}: {why}", refusal.message), refusal.next.join("; or: "));
    Ok(Some(Problem { code: refusal.code, message, fix, note: false }))
}

/// A `core.worktree` that names another folder: teof ignores it, but a person's own git does not.
fn elsewhere(hub: &Hub, repo: &Repository) -> Option<Problem> {
    // Submodules and separate git directories use it for their own checkout.
    let set = repo.config().ok()?.get_path("core.worktree").ok()?;
    let named = hub.common_dir.join(&set);
    if named.canonicalize().is_ok_and(|named| named == hub.root) || hub.git_dir != hub.common_dir {
        return None;
    }
    let message = format!(
        "core.worktree names {}, so your own git commands in {} work on that folder",
        text::safe(&set.display().to_string()),
        hub.root.display()
    );
    let fix = format!("git config --file {}/config --unset core.worktree", hub.common_dir.display());
    Some(Problem { code: "git.core_worktree", message, fix, note: false })
}
