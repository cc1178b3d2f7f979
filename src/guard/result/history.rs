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

fn parents(commit: &[u8]) -> impl Iterator<Item = Oid> + '_ {
    commit
        .split(|&b| b == b'\n')
        .take_while(|line| !line.is_empty())
        .filter_map(|line| Oid::from_str(std::str::from_utf8(line.strip_prefix(b"parent ")?).ok()?).ok())
}
