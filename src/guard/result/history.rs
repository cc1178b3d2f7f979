//! Checks that the branch still contains its base, and what happened to the target branch.

use std::collections::{BTreeSet, VecDeque};

use git2::{ObjectType, Oid, Repository};

use crate::base::{Result, text};
use crate::guard::Finding;
use crate::hub::git::{ancestry, object_ids};

/// The search stops after this many commits; then the base counts as not found.
const MAX_COMMITS: usize = 100_000;

/// Finds a base that is not an ancestor of the tip: commits below it were amended, rebased or reset.
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
        // An unreadable commit (the border of a shallow clone) counts as having no parents.
        let Ok(object) = odb.read(id) else { continue };
        if object.kind() == ObjectType::Commit {
            queue.extend(parents(object.data()).filter(|parent| seen.insert(*parent)));
        }
    }
    Ok(Some(
        Finding::high("history.rewritten", "", format!("the branch no longer contains its base {base}"))
            .hint("commits below the base were rewritten or dropped; start the run again"),
    ))
}

/// Finds a branch that is only another name of another branch: whoever commits on it moves that one.
pub fn replaced_branch(repo: &Repository, branch: &str) -> Option<Finding> {
    let found = repo.find_reference(&format!("refs/heads/{branch}")).ok()?;
    let other = String::from_utf8_lossy(found.symbolic_target_bytes()?).into_owned();
    let message = format!("the branch {branch} was replaced by a symbolic ref to {}", text::safe(&other));
    Some(Finding::high("git.branch_replaced", "", message).hint("check where its commits went: git reflog"))
}

/// How the target branch changed while a worker ran.
#[derive(Clone, Debug)]
pub struct Landed {
    pub finding: Finding,
    /// The commit that the target gained or lost.
    pub commit: Oid,
}

/// Finds commits of the worker that are on `target` already (nothing is merged without a person), and a
/// target that was deleted or rewritten since it was at `before`.
///
/// The worker's own commits are its job's `checkpoints`, and the commits that the worktree's reflog records as made
/// there. Other git processes may move the target meanwhile, and a worker may check it out: that does not make a
/// commit its own.
pub fn landed(
    worktree: &Repository,
    base: Oid,
    checkpoints: &[Oid],
    target: &str,
    before: Option<Oid>,
) -> Result<Option<Landed>> {
    let within = |tip, id| ancestry::holds(worktree, tip, id).unwrap_or(false);
    let lost = |what: &str, old: Oid| {
        let message = format!("{target} was {what} while the worker ran; it was at {old}");
        let found = Finding::medium("git.target_lost", "", message);
        Landed {
            commit: old,
            finding: found.hint(format!("if nobody meant to, restore it: git branch -f {target} {old}")),
        }
    };
    let Ok(tip) = worktree.refname_to_id(&format!("refs/heads/{target}")) else {
        return Ok(before.map(|old| lost("deleted", old)));
    };
    let known = |id: Oid| within(base, id) || before.is_some_and(|old| within(old, id));
    let mut own = checkpoints.to_vec();
    if let Ok(reflog) = worktree.reflog("HEAD") {
        let made = reflog.iter().filter(|entry| makes(entry.message_bytes().unwrap_or_default()));
        own.extend(made.map(|entry| entry.id_new()));
    }
    if let Some(id) = own.into_iter().filter(|id| !known(*id)).find(|id| within(tip, *id)) {
        let message = format!("{target} contains commit {id} from the worktree");
        let hint = format!("nobody approved it; check it and later commits: git log {id}^..{target}");
        return Ok(Some(Landed { commit: id, finding: Finding::high("git.merged", "", message).hint(hint) }));
    }
    Ok(before.filter(|old| !within(tip, *old)).map(|old| lost("rewritten", old)))
}

/// Whether a reflog entry is about a new commit, not about a checkout of an existing one.
pub(super) fn makes(message: &[u8]) -> bool {
    const MAKES: [&[u8]; 5] = [b"commit", b"cherry-pick", b"revert", b"am", b"rebase"];
    const GOES: [&[u8]; 4] = [b"rebase (start)", b"rebase (finish)", b"rebase (abort)", b"rebase: "];
    let merges = || message.windows(10).any(|part| part == b"Merge made");
    (MAKES.iter().any(|word| message.starts_with(word)) || merges())
        && !GOES.iter().any(|word| message.starts_with(word))
}

fn parents(commit: &[u8]) -> impl Iterator<Item = Oid> + '_ {
    commit
        .split(|&b| b == b'\n')
        .take_while(|line| !line.is_empty())
        .filter_map(|line| object_ids::parse(std::str::from_utf8(line.strip_prefix(b"parent ")?).ok()?).ok())
}
