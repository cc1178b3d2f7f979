//! Finds which commits descend from which, in whole histories and in shallow clones.
//!
//! libgit2's graph functions fail at a missing parent. Then this module walks the commits that exist; a missing one
//! counts as a root.

use std::cmp::Reverse;
use std::collections::HashSet;

use git2::{Commit, Error, ErrorClass, ErrorCode, Index, MergeOptions, Oid, Repository};

use super::object_ids;
use crate::base::{Refusal, Result};

/// Whether `tip` is `commit`, or descends from it.
///
/// # Errors
/// When the repository cannot be read.
pub fn holds(repo: &Repository, tip: Oid, commit: Oid) -> Result<bool, Error> {
    if tip == commit {
        return Ok(true);
    }
    match repo.graph_descendant_of(tip, commit) {
        Err(e) if is_cut(&e) => Ok(present(repo, tip).contains(&commit)),
        known => known,
    }
}

/// The newest common ancestor; `None` when the existing commits have none.
///
/// # Errors
/// When the repository cannot be read.
pub fn merge_base(repo: &Repository, a: Oid, b: Oid) -> Result<Option<Oid>, Error> {
    match repo.merge_base(a, b) {
        Ok(base) => Ok(Some(base)),
        Err(e) if is_cut(&e) => Ok(common(repo, a, b)),
        Err(e) if e.code() == ErrorCode::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// The commits reachable from `tip` but from none of `hidden`, newest first; at most `most`.
///
/// # Errors
/// When the repository cannot be read.
pub fn only_in(repo: &Repository, tip: Oid, hidden: &[Oid], most: usize) -> Result<Vec<Oid>, Error> {
    // In a shallow clone, libgit2's walk may ignore the hidden commits instead of failing.
    if repo.is_shallow() {
        let known: HashSet<Oid> = hidden.iter().flat_map(|hidden| present(repo, *hidden)).collect();
        let mut found: Vec<Oid> = present(repo, tip).difference(&known).copied().collect();
        let time = |id: Oid| repo.find_commit(id).map_or(0, |commit| commit.time().seconds());
        found.sort_by_cached_key(|id| Reverse(time(*id)));
        // Of commits in the same second, the one with more ancestors is newer.
        for same in found.chunk_by_mut(|a, b| time(*a) == time(*b)).filter(|same| same.len() > 1) {
            same.sort_by_cached_key(|id| Reverse(present(repo, *id).len()));
        }
        found.truncate(most);
        return Ok(found);
    }
    let mut walk = repo.revwalk()?;
    walk.push(tip)?;
    hidden.iter().try_for_each(|hidden| walk.hide(*hidden))?;
    walk.take(most).collect()
}

/// Merges two commits in memory, as [`Repository::merge_commits`].
///
/// # Errors
/// `repository.incomplete` when the commits at which they diverged are missing.
pub fn merge(repo: &Repository, ours: Oid, theirs: Oid) -> Result<Index> {
    let (a, b) = (repo.find_commit(ours)?, repo.find_commit(theirs)?);
    match repo.merge_commits(&a, &b, Some(&MergeOptions::new())) {
        Err(e) if is_cut(&e) => {}
        merged => return Ok(merged?),
    }
    let base = common(repo, ours, theirs).ok_or_else(incomplete)?;
    let base = repo.find_commit(base)?.tree()?;
    Ok(repo.merge_trees(&base, &a.tree()?, &b.tree()?, Some(&MergeOptions::new()))?)
}

/// The refusal when required history is missing.
pub fn incomplete() -> Refusal {
    Refusal::guard("repository.incomplete", "this shallow clone lacks required commits")
        .because("the common ancestor of both sides is older than the fetched history")
        .next("fetch the rest of the history, then try again: git fetch --unshallow")
}

/// A missing object. libgit2 keeps the code of the error in some of these functions, and only its text in others.
fn is_cut(error: &Error) -> bool {
    let is_missing = error.code() == ErrorCode::NotFound || error.message().starts_with("object not found");
    is_missing && error.class() == ErrorClass::Odb
}

/// A commit and its existing ancestors.
fn present(repo: &Repository, tip: Oid) -> HashSet<Oid> {
    let (mut found, mut next) = (HashSet::new(), vec![tip]);
    while let Some(id) = next.pop() {
        if let Ok(commit) = repo.find_commit(id)
            && found.insert(id)
        {
            next.extend(parents(&commit).into_iter().filter(|parent| !found.contains(parent)));
        }
    }
    found
}

/// The parents in the commit itself: a worker's program could write the file that marks a shallow clone.
fn parents(commit: &Commit) -> Vec<Oid> {
    let header = commit.raw_header().unwrap_or_default();
    header.lines().filter_map(|line| object_ids::parse(line.strip_prefix("parent ")?).ok()).collect()
}

/// The newest of the common commits that no other common commit descends from.
fn common(repo: &Repository, a: Oid, b: Oid) -> Option<Oid> {
    let (a, b) = (present(repo, a), present(repo, b));
    let both: Vec<_> = a.intersection(&b).filter_map(|id| repo.find_commit(*id).ok()).collect();
    let below: HashSet<Oid> = both.iter().flat_map(parents).collect();
    let best = both.iter().filter(|commit| !below.contains(&commit.id()));
    best.max_by_key(|commit| (commit.time().seconds(), commit.id())).map(Commit::id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;
    use std::process::Command;

    fn git(folder: &Path, args: &[&str]) -> String {
        let name = ["-c", "user.name=T", "-c", "user.email=t@x.invalid", "-c", "protocol.file.allow=always"];
        let output = Command::new("git").current_dir(folder).args(name).args(args).output().unwrap();
        assert!(output.status.success(), "git {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn a_shallow_clone_answers_as_the_whole_repository_does() {
        let dir = tempfile::tempdir().unwrap();
        let whole = dir.path().join("whole");
        git(dir.path(), &["init", "-q", "-b", "main", "whole"]);
        for n in 0..4 {
            std::fs::write(whole.join("f"), format!("{n}\n")).unwrap();
            git(&whole, &["add", "."]);
            git(&whole, &["commit", "-qm", &format!("c{n}")]);
        }
        let from = format!("file://{}", whole.display());
        git(dir.path(), &["clone", "-q", "--depth=1", &from, "cut"]);
        let cut = dir.path().join("cut");
        let commit = |file: &str| {
            std::fs::write(cut.join(file), "x\n").unwrap();
            git(&cut, &["add", "."]);
            git(&cut, &["commit", "-qm", file]);
            git2::Oid::from_str(&git(&cut, &["rev-parse", "HEAD"])).unwrap()
        };
        let base = git2::Oid::from_str(&git(&cut, &["rev-parse", "HEAD"])).unwrap();
        git(&cut, &["switch", "-qc", "work"]);
        let (first, work) = (commit("a"), commit("b"));
        git(&cut, &["switch", "-q", "main"]);
        let main = commit("c");
        let repo = Repository::open(&cut).unwrap();
        assert!(holds(&repo, work, base).unwrap() && holds(&repo, base, base).unwrap());
        assert!(!holds(&repo, main, work).unwrap() && !holds(&repo, base, main).unwrap());
        assert_eq!(merge_base(&repo, main, work).unwrap(), Some(base));
        assert_eq!(only_in(&repo, work, &[main], 9).unwrap(), [work, first]);
        let mut merged = merge(&repo, main, work).unwrap();
        let tree = repo.find_tree(merged.write_tree_to(&repo).unwrap()).unwrap();
        assert!(["a", "b", "c", "f"].iter().all(|name| tree.get_name(name).is_some()));
        // History that was never connected here: nothing is made up.
        git(&cut, &["checkout", "-q", "--orphan", "apart"]);
        let apart = commit("d");
        assert_eq!(merge_base(&repo, apart, main).unwrap(), None);
    }
}
