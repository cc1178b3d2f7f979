//! Builds the commit that a pull request offers: only the work, on a commit that the remote has.
//!
//! When the record lives on the target, the work is based on record commits that nobody pushed, and each stage is a
//! commit. Neither belongs to the remote: the change from the base to the reviewed commit is committed again, as one
//! commit, on the newest commit below the base that the remote's target has.

use git2::{MergeOptions, Oid, Repository, Signature, Time};

use crate::base::{Refusal, Result, text};
use crate::hub::git::{ancestry, object_ids};
use crate::model::run::bundle::Bundle;
use crate::ops::evidence::chain_heads::ChainHeads;
use crate::review::target::{merge, message};

/// How many commits of a target are searched.
const MOST: usize = 500;

/// Builds the commit for a remote whose target is at `remote`; `heads` are those of the record when the result entered
/// it. The same input gives the same commit.
///
/// # Errors
/// `pr.base_not_pushed` when the work needs commits that the remote lacks.
pub fn commit(repo: &Repository, bundle: &Bundle, heads: &ChainHeads, remote: Oid) -> Result<Oid> {
    let base = object_ids::parse(&bundle.base_commit)?;
    let parent = repo.find_commit(ancestry::merge_base(repo, remote, base)?.ok_or_else(|| apart(bundle))?)?;
    let Some(tree) = tree_on(repo, bundle, parent.id())? else { return Err(apart(bundle).into()) };
    let time = Time::new(bundle.generated_at.unix(), 0);
    let by = Signature::new(&bundle.agent_id, &format!("{}@teof.invalid", bundle.agent_id), &time)?;
    let message = message::of_work(bundle, None, heads).join("\n\n") + "\n";
    Ok(repo.commit(None, &by, &by, &message, &repo.find_tree(tree)?, &[&parent])?)
}

/// Whether a commit brings exactly the reviewed work, to a target that is at `head`.
///
/// # Errors
/// When a commit cannot be read.
pub fn is_the_work(repo: &Repository, bundle: &Bundle, offered: Oid, head: Oid) -> Result<bool> {
    let Ok(commit) = repo.find_commit(offered) else { return Ok(false) };
    if commit.parent_count() != 1 {
        return Ok(false);
    }
    let parent = commit.parent_id(0)?;
    Ok(merge::is_merged(repo, head, parent)? && tree_on(repo, bundle, parent)? == Some(commit.tree_id()))
}

/// The first-parent commit between `head` and `now` that brought the work: the merge of the `offered` commit, or one
/// with the `tested` tree if it was squashed or rebased.
///
/// # Errors
/// When a commit cannot be read.
pub fn landed_as(repo: &Repository, (head, now): (Oid, Oid), offered: Oid, tested: Option<Oid>) -> Result<Option<Oid>> {
    if merge::is_merged(repo, now, offered)? {
        return Ok(Some(merge::merged_by(repo, now, offered)?.map_or(offered, |(by, _)| by)));
    }
    let mut at = repo.find_commit(now)?;
    for _ in 0..MOST {
        if at.id() == head {
            break;
        }
        if tested == Some(at.tree_id()) {
            return Ok(Some(at.id()));
        }
        let Ok(before) = at.parent(0) else { break };
        at = before;
    }
    Ok(None)
}

/// The tree of `parent` with the change from the base to the reviewed commit; `None` on conflict.
fn tree_on(repo: &Repository, bundle: &Bundle, parent: Oid) -> Result<Option<Oid>> {
    let tree = |id: Oid| repo.find_commit(id).and_then(|commit| commit.tree());
    let (base, reviewed) = (object_ids::parse(&bundle.base_commit)?, merge::reviewed(repo, bundle)?);
    let options = MergeOptions::new();
    let mut index = repo.merge_trees(&tree(base)?, &tree(parent)?, &tree(reviewed)?, Some(&options))?;
    Ok(if index.has_conflicts() { None } else { Some(index.write_tree_to(repo)?) })
}

fn apart(bundle: &Bundle) -> Refusal {
    let target = text::safe(&bundle.target_branch);
    Refusal::guard(
        "pr.base_not_pushed",
        format!(
            "the remote does not have the commits that {} is based \
        on",
            bundle.short()
        ),
    )
    .because(format!("it changes code of {target} that was not pushed yet"))
    .next(format!("push it first: git push origin {target}"))
}
