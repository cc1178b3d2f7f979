//! Ports finished work onto a newer base with a three-way merge, for a job that was sent back.
//!
//! Conflicts stay in the files as markers, for the coder.

use anyhow::Context;
use git2::{IndexEntry, MergeFileOptions, MergeOptions, Oid, Repository};

use crate::base::{Result, files};
use crate::hub::git::ancestry;
use crate::hub::worktrees::{Place, job_refs};
use crate::model::run::outcome::Finding;

/// Start of a conflict in a file.
const MARKER: &[u8] = b"<<<<<<< ";

/// The tree of the changes of `carry` on top of `base`, and a finding for each file with a conflict.
pub fn tree(repo: &Repository, base: Oid, carry: &str) -> Result<(Oid, Vec<Finding>)> {
    let carried = repo.revparse_single(carry).and_then(|object| object.peel_to_commit());
    let carried = carried.with_context(|| format!("find the commit {carry} to port"))?;
    let base = repo.find_commit(base)?;
    let common = ancestry::merge_base(repo, base.id(), carried.id())?.ok_or_else(ancestry::incomplete)?;
    // The parent of the work may be on the base as another (squashed) commit; then only the work's own change is
    // ported.
    let squashed = job_refs::began(repo, carried.id()).filter(|began| {
        let holds = |tip, commit| ancestry::holds(repo, tip, commit).unwrap_or(false);
        !holds(base.id(), *began) && holds(*began, common)
    });
    let ancestor = repo.find_commit(squashed.unwrap_or(common))?;
    let mut options = MergeOptions::new();
    options.find_renames(false);
    let mut index = repo.merge_trees(&ancestor.tree()?, &base.tree()?, &carried.tree()?, Some(&options))?;
    let conflicts: Vec<_> = index.conflicts()?.collect::<Result<_, _>>()?;
    let mut findings = Vec::new();
    for conflict in conflicts {
        let sides = [&conflict.our, &conflict.their, &conflict.ancestor];
        let Some(path) = sides.into_iter().flatten().next().map(|entry| entry.path.clone()) else { continue };
        let shown = String::from_utf8_lossy(&path).into_owned();
        index.conflict_remove(std::path::Path::new(&shown))?;
        let (entry, message) = merged_entry(repo, conflict)?;
        if let Some(entry) = entry {
            index.add(&entry)?;
        }
        findings.push(Finding::high("carry.conflict", shown, message).hint("merge both sides"));
    }
    Ok((index.write_tree_to(repo)?, findings))
}

/// The content of the file, and the message to the coder.
fn merged_entry(repo: &Repository, conflict: git2::IndexConflict) -> Result<(Option<IndexEntry>, &'static str)> {
    match (conflict.ancestor, conflict.our, conflict.their) {
        (ancestor, Some(ours), Some(theirs)) => {
            let ancestor = match ancestor {
                Some(ancestor) => ancestor,
                None => IndexEntry { id: repo.blob(b"")?, ..copy(&ours) },
            };
            let mut options = MergeFileOptions::new();
            options.our_label("target").their_label("earlier work");
            let merged = repo.merge_file_from_index(&ancestor, &ours, &theirs, Some(&mut options))?;
            let id = repo.blob(merged.content())?;
            Ok((Some(IndexEntry { id, ..plain(&ours) }), "both sides changed it; the file has conflict markers"))
        }
        (_, Some(ours), None) => Ok((Some(plain(&ours)), "the earlier work deleted it, the target changed it")),
        (_, None, Some(theirs)) => Ok((Some(plain(&theirs)), "the target deleted it, the earlier work changed it")),
        (_, None, None) => Ok((None, "both sides deleted it")),
    }
}

/// The entry at stage 0: resolved.
fn plain(entry: &IndexEntry) -> IndexEntry {
    IndexEntry { flags: 0, flags_extended: 0, ..copy(entry) }
}

fn copy(entry: &IndexEntry) -> IndexEntry {
    IndexEntry {
        ctime: entry.ctime,
        mtime: entry.mtime,
        dev: entry.dev,
        ino: entry.ino,
        mode: entry.mode,
        uid: entry.uid,
        gid: entry.gid,
        file_size: entry.file_size,
        id: entry.id,
        flags: entry.flags,
        flags_extended: entry.flags_extended,
        path: entry.path.clone(),
    }
}

/// Files that still have conflict markers.
pub fn unresolved(place: &Place, conflicts: &[Finding]) -> Vec<Finding> {
    let marked = |path: &str| {
        let path = files::within(&place.root, path).ok()?;
        let bytes = files::read(&path, files::MAX_DOCUMENT).ok()??;
        Some(bytes.split(|&b| b == b'\n').any(|line| line.starts_with(MARKER)))
    };
    let still = conflicts.iter().filter(|found| found.code == "carry.conflict");
    let still = still.filter_map(|found| found.path.clone()).filter(|path| marked(path) == Some(true));
    still.map(|path| Finding::high("carry.conflict", path, "the file still has conflict markers")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::git::Git;

    #[test]
    fn work_on_top_of_squashed_work_is_ported_without_a_conflict() {
        let dir = tempfile::tempdir().unwrap();
        let git = Git::at(&dir.path().canonicalize().unwrap());
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        let commit = |text: &str, message: &str| {
            std::fs::write(dir.path().join("f"), text).unwrap();
            git.run(&["add", "."]).unwrap();
            git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", message]).unwrap();
            git.run(&["rev-parse", "HEAD"]).unwrap()
        };
        commit("1\n", "Base");
        git.run(&["switch", "-qc", "work"]).unwrap();
        commit("2\n", "First\n\nTeof-Job: a");
        let carry = commit("3\n", "Second\n\nTeof-Job: b");
        git.run(&["switch", "-q", "main"]).unwrap();
        let base = commit("2\n", "First, squashed");
        let repo = Repository::open(dir.path()).unwrap();
        let (tree, conflicts) = tree(&repo, base.parse().unwrap(), &carry).unwrap();
        assert!(conflicts.is_empty(), "{conflicts:?}");
        assert_eq!(git.run(&["show", &format!("{tree}:f")]).unwrap(), "3");
    }
}
