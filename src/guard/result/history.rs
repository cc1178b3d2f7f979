//! Whether the branch still stands on its base.

use std::collections::{BTreeSet, VecDeque};

use git2::{ObjectType, Oid, Repository};

use crate::base::Result;
use crate::guard::Finding;

/// More commits than any run makes; beyond it the base counts as not found.
const MAX_COMMITS: usize = 100_000;

/// Finds a base that is no ancestor of the tip: somebody amended, rebased or reset below it.
///
/// Parents are read from the commits' own bytes: grafts and replace objects could claim others.
pub fn check(repo: &Repository, base: Oid, tip: Oid) -> Result<Option<Finding>> {
    let odb = repo.odb()?;
    let mut seen = BTreeSet::from([tip]);
    let mut queue = VecDeque::from([tip]);
    while let Some(id) = queue.pop_front() {
        if id == base {
            return Ok(None);
        }
        if seen.len() > MAX_COMMITS {
            break;
        }
        // A commit that cannot be read (a shallow clone's border) has no parents to offer.
        let Ok(object) = odb.read(id) else { continue };
        if object.kind() == ObjectType::Commit {
            queue.extend(parents(object.data()).filter(|parent| seen.insert(*parent)));
        }
    }
    Ok(Some(
        Finding::high("history.rewritten", "", format!("the branch no longer contains its base {base}"))
            .hint("commits below the base were rewritten or dropped; start the run again from the base"),
    ))
}

/// Finds commits of the worker that are on `target` already: nothing is merged without a person.
///
/// The worker's own commits are those that the worktree's reflog calls so. Other git processes move the
/// target meanwhile, and a worker may check it out: neither makes a commit its own.
pub fn landed(worktree: &Repository, base: Oid, target: &str) -> Result<Option<Finding>> {
    let Ok(tip) = worktree.refname_to_id(&format!("refs/heads/{target}")) else { return Ok(None) };
    let Ok(reflog) = worktree.reflog("HEAD") else { return Ok(None) };
    let within = |tip, id| tip == id || worktree.graph_descendant_of(tip, id).unwrap_or(false);
    let own = |entry: &git2::ReflogEntry| entry.message_bytes().is_some_and(|message| message.starts_with(b"commit"));
    let landed = reflog.iter().filter(own).map(|entry| entry.id_new());
    let Some(id) = landed.filter(|id| !within(base, *id)).find(|id| within(tip, *id)) else { return Ok(None) };
    Ok(Some(
        Finding::high("git.merged", "", format!("{target} holds the commit {id}, which was made in the worktree"))
            .hint(format!("nobody approved it; look at it, and at what followed it: git log {id}^..{target}")),
    ))
}

fn parents(commit: &[u8]) -> impl Iterator<Item = Oid> + '_ {
    commit
        .split(|&b| b == b'\n')
        .take_while(|line| !line.is_empty())
        .filter_map(|line| Oid::from_str(std::str::from_utf8(line.strip_prefix(b"parent ")?).ok()?).ok())
}
