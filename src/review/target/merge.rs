//! Builds the merged tree and its commit from git objects alone.
//!
//! The trees are merged in memory: without checkout, worktree index, merge drivers, filters or hooks. Nothing here
//! moves a branch.

use std::path::Path;

use anyhow::Context;
use git2::{ErrorCode, Index, MergeOptions, Oid, Repository, Tree};

use super::{message, sign};
use crate::base::{Refusal, Result, text};
use crate::guard::result::changes;
use crate::hub::git::libgit2::make_durable;
use crate::hub::git::{ancestry, object_ids};
use crate::hub::repository::identity;
use crate::hub::settings::ApprovalMerge;
use crate::hub::{Hub, git, paths};
use crate::model::run::bundle::Bundle;
use crate::ops::evidence::chain_heads::ChainHeads;
use crate::review::input::ReviewInput;

/// The result of a merge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Merged {
    /// The new commit; the target's own commit if it already has everything.
    Clean(Oid),
    /// The files that both sides changed.
    Conflict(Vec<String>),
}

/// Opens the repository for objects and branches; writes are synced.
pub fn open(hub: &Hub) -> Result<Repository> {
    let repo = Repository::open_bare(&hub.common_dir)
        .with_context(|| format!("open the repository {}", hub.common_dir.display()))?;
    make_durable(&repo)?;
    Ok(repo)
}

/// The commit that a branch points to.
pub fn tip(repo: &Repository, branch: &str) -> Result<Oid> {
    match repo.refname_to_id(&format!("refs/heads/{branch}")) {
        Ok(tip) => Ok(tip),
        Err(e) if e.code() == ErrorCode::NotFound => {
            let shown = text::clip(&text::safe(branch), 120);
            Err(Refusal::guard("review.no_target", format!("target branch {shown} does not exist"))
                .because("the work was made for this branch")
                .next("restore the branch, then approve again")
                .into())
        }
        Err(e) => Err(e).with_context(|| format!("read the branch {branch}")),
    }
}

/// The reviewed commit of a bundle.
///
/// # Errors
/// `review.commit_missing` when the repository does not have it.
pub fn reviewed(repo: &Repository, bundle: &Bundle) -> Result<Oid> {
    let found = object_ids::parse(&bundle.commit).and_then(|id| repo.find_commit(id)).map(|commit| commit.id());
    found.map_err(|_| {
        Refusal::guard("review.commit_missing", format!("the reviewed commit of {} is missing", bundle.short()))
            .because(format!("this repository has no commit {}", text::clip(&text::safe(&bundle.commit), 60)))
            .next(format!("fetch it, or look for it on {}", text::safe(&bundle.branch)))
            .into()
    })
}

/// The base commit of a bundle's work, if the repository has it.
pub fn base(repo: &Repository, bundle: &Bundle) -> Option<Oid> {
    object_ids::parse(&bundle.base_commit).and_then(|id| repo.find_commit(id)).map(|commit| commit.id()).ok()
}

/// Whether `target` is `commit`, or descends from it.
pub fn is_merged(repo: &Repository, target: Oid, commit: Oid) -> Result<bool> {
    Ok(ancestry::holds(repo, target, commit)?)
}

/// The first-parent commit of the target that merged the reviewed commit, and the one before it; `None` after a
/// fast-forward.
pub fn merged_by(repo: &Repository, target: Oid, reviewed: Oid) -> Result<Option<(Oid, Oid)>> {
    let mut at = repo.find_commit(target)?;
    while at.id() != reviewed {
        let Ok(before) = at.parent(0) else { return Ok(None) };
        if !is_merged(repo, before.id(), reviewed)? {
            return Ok(Some((at.id(), before.id())));
        }
        at = before;
    }
    Ok(None)
}

/// The tree of merging `work` of a bundle into `target`; `None` on conflict.
pub fn tree_of_work(repo: &Repository, bundle: &Bundle, target: Oid, work: Oid) -> Result<Option<Oid>> {
    let mut index = merge_work(repo, bundle, target, work)?;
    Ok(if index.has_conflicts() { None } else { Some(index.write_tree_to(repo)?) })
}

/// Whether merging `work` of a bundle into `target` would change nothing.
pub fn has_work(repo: &Repository, bundle: &Bundle, target: Oid, work: Oid) -> Result<bool> {
    let (of_target, of_work) = (repo.find_commit(target)?.tree()?, repo.find_commit(work)?.tree_id());
    if base(repo, bundle) == Some(target) {
        return Ok(of_work == of_target.id());
    }
    let index = merge_work(repo, bundle, target, work)?;
    Ok(!index.has_conflicts() && repo.diff_tree_to_index(Some(&of_target), Some(&index), None)?.deltas().len() == 0)
}

/// Merges work into a target, in memory.
///
/// The base of the work may be on the target as another (squashed) commit, or may be missing. Then only the change
/// since the base is merged: older changes would conflict with themselves.
fn merge_work(repo: &Repository, bundle: &Bundle, target: Oid, work: Oid) -> Result<Index> {
    let tree = |commit: Oid| -> Result<Tree<'_>> { Ok(repo.find_commit(commit)?.tree()?) };
    if let (Some(base), Some(parted)) = (base(repo, bundle), ancestry::merge_base(repo, target, work)?)
        && is_merged(repo, work, base)?
        && !is_merged(repo, target, base)?
        && is_merged(repo, base, parted)?
    {
        let options = MergeOptions::new();
        return Ok(repo.merge_trees(&tree(base)?, &tree(target)?, &tree(work)?, Some(&options))?);
    }
    ancestry::merge(repo, target, work).context("merge the trees")
}

/// The number of commits in `to` that are not in `from`.
pub fn distance(repo: &Repository, from: Oid, to: Oid) -> Result<usize> {
    Ok(ancestry::only_in(repo, to, &[from], usize::MAX)?.len())
}

/// Merges the reviewed commit into the target and commits the result, on no branch: as one commit or a merge,
/// depending on `[review] merge`.
pub fn prepare(hub: &Hub, repo: &Repository, target: Oid, bundle: &Bundle, by: &str) -> Result<Merged> {
    prepare_offered(hub, repo, target, (reviewed(repo, bundle)?, bundle), by)
}

/// Like [`prepare`], with the commit offered in a pull request.
pub fn prepare_offered(
    hub: &Hub,
    repo: &Repository,
    target: Oid,
    (work, bundle): (Oid, &Bundle),
    by: &str,
) -> Result<Merged> {
    let mut index = merge_work(repo, bundle, target, work)?;
    if let Some(files) = conflicts(&index)? {
        return Ok(Merged::Conflict(files));
    }
    let tree = index.write_tree_to(repo)?;
    if tree == repo.find_commit(target)?.tree_id() {
        return Ok(Merged::Clean(target));
    }
    let parents = match hub.settings()?.review.merge {
        ApprovalMerge::Squash => vec![target],
        ApprovalMerge::Merge => vec![target, work],
    };
    let heads = ChainHeads::now(hub)?;
    commit(hub, tree, &parents, &message::of_work(bundle, Some(by), &heads)).map(Merged::Clean)
}

/// Commits the target with the changes between `before` and `after` reverted, on no branch.
pub fn prepare_revert(
    hub: &Hub,
    repo: &Repository,
    target: Oid,
    (before, after): (Oid, Oid),
    bundle: &Bundle,
    input: &ReviewInput,
) -> Result<Merged> {
    let tree = |commit: Oid| -> Result<Tree<'_>> { Ok(repo.find_commit(commit)?.tree()?) };
    let mut index = repo
        .merge_trees(&tree(after)?, &tree(target)?, &tree(before)?, Some(&MergeOptions::new()))
        .context("revert the change")?;
    if let Some(files) = conflicts(&index)? {
        return Ok(Merged::Conflict(files));
    }
    let made = index.write_tree_to(repo)?;
    let heads = ChainHeads::now(hub)?;
    let message = message::of_revert(bundle, &after.to_string(), input.note.as_deref(), &input.by, &heads);
    commit(hub, made, &[target], &message).map(Merged::Clean)
}

/// The files in conflict, if any.
fn conflicts(index: &Index) -> Result<Option<Vec<String>>> {
    if !index.has_conflicts() {
        return Ok(None);
    }
    let mut files = Vec::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let side = conflict.our.or(conflict.their).or(conflict.ancestor);
        files.extend(side.map(|entry| text::safe(&String::from_utf8_lossy(&entry.path))));
    }
    files.sort();
    files.dedup();
    Ok(Some(files))
}

/// Whether two commits differ only in the record.
pub fn differ_in_record_only(repo: &Repository, from: Oid, to: Oid) -> Result<bool> {
    Ok(changed_paths(repo, from, to)?.iter().all(|path| paths::is_record(path)))
}

/// The paths that differ between two commits.
pub fn changed_paths(repo: &Repository, from: Oid, to: Oid) -> Result<Vec<String>> {
    let changes = changes::between(repo, Some(from), to, &mut Vec::new())?;
    Ok(changes.into_iter().map(|change| change.path).collect())
}

/// Whether a commit has a path.
pub fn has_path(repo: &Repository, commit: Oid, path: &str) -> Result<bool> {
    Ok(repo.find_commit(commit)?.tree()?.get_path(Path::new(path)).is_ok())
}

/// Creates a commit as git's configured user. `message` holds its paragraphs.
fn commit(hub: &Hub, tree: Oid, parents: &[Oid], message: &[String]) -> Result<Oid> {
    let (tree, date) = (tree.to_string(), hub.now().to_string());
    let signing = sign::with(hub)?;
    let command = |fallback: &[&str]| {
        let mut command = signing.as_ref().map_or_else(|| hub.git(), Clone::clone).command();
        identity::of_person(hub).sign(&mut command);
        command.args(fallback).arg("commit-tree").args(signing.as_ref().map(|_| "-S")).arg(&tree);
        for paragraph in message {
            command.args(["-m", paragraph]);
        }
        for parent in parents {
            command.args(["-p", &parent.to_string()]);
        }
        command.env("GIT_AUTHOR_DATE", &date).env("GIT_COMMITTER_DATE", &date);
        command
    };
    let mut output = match signing {
        Some(_) => sign::run(hub, &mut command(&[]))?,
        None => command(&[]).output().context("start git commit-tree")?,
    };
    if !output.status.success() {
        let nobody = ["-c", "user.name=teof", "-c", "user.email=teof@localhost"];
        output = command(&nobody).output().context("start git commit-tree")?;
    }
    if !output.status.success() {
        return Err(git::failed("commit-tree", &output));
    }
    object_ids::parse(String::from_utf8_lossy(&output.stdout).trim()).context("read the id of the new commit")
}

#[cfg(test)]
mod tests {
    use git2::Signature;
    use serde_json::json;

    use super::*;

    fn bundle(base: Oid, work: Oid) -> Bundle {
        let usage = json!({"input_tokens": 0, "cached_tokens": 0, "output_tokens": 0});
        let bundle = json!({
            "version": 1, "generated_at": "2026-01-05T10:00:00Z", "job": "j", "run": "j.1", "task_id": "T", "title": "t",
            "objective": "o", "agent_id": "a", "branch": "b", "target_branch": "main", "base_commit": base.to_string(),
            "commit": work.to_string(), "diff": {"added": 1, "removed": 0, "limit": 9, "files": []}, "stages": [],
            "tests": [], "findings": [], "passes": 1, "receipts": [], "usage": usage,
        });
        serde_json::from_value(bundle).unwrap()
    }

    #[test]
    fn a_target_has_a_work_when_merging_it_changes_nothing_and_that_is_found_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(dir.path()).unwrap();
        let by = Signature::now("a", "a@b.invalid").unwrap();
        let commit = |text: &str, parents: &[Oid]| {
            let mut tree = repo.treebuilder(None).unwrap();
            tree.insert("a", repo.blob(text.as_bytes()).unwrap(), 0o100_644).unwrap();
            let tree = repo.find_tree(tree.write().unwrap()).unwrap();
            let parents: Vec<_> = parents.iter().map(|id| repo.find_commit(*id).unwrap()).collect();
            repo.commit(None, &by, &by, "m", &tree, &parents.iter().collect::<Vec<_>>()).unwrap()
        };
        let base = commit("1\n2\n3\n4\n5\n6\n7\n", &[]);
        let work = commit("one\n2\n3\n4\n5\n6\n7\n", &[base]);
        let targets = [
            (base, false),
            (commit("1\n2\n3\n4\n5\n6\nseven\n", &[base]), false),
            (commit("eins\n2\n3\n4\n5\n6\n7\n", &[base]), false),
            (commit("one\n2\n3\n4\n5\n6\n7\n", &[base]), true),
            (commit("one\n2\n3\n4\n5\n6\nseven\n", &[base]), true),
        ];
        let empty = commit("1\n2\n3\n4\n5\n6\n7\n", &[base]);
        let written = || std::process::Command::new("find").arg(dir.path()).output().unwrap().stdout;
        let before = written();
        let reader = Repository::open_bare(dir.path()).unwrap();
        let odb = reader.odb().unwrap();
        let _in_memory = odb.add_new_mempack_backend(999).unwrap();
        for (target, has) in targets {
            assert_eq!(has_work(&reader, &bundle(base, work), target, work).unwrap(), has, "{target}");
        }
        assert!(has_work(&reader, &bundle(base, empty), base, empty).unwrap(), "it changes nothing");
        assert_eq!(written(), before);
    }
}
