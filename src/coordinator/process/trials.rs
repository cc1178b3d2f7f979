//! Tries to merge what unfinished jobs have so far with each other, so that people learn of a conflict before more work
//! goes into it.
//!
//! Only what moved since the last look is tried again, for a short time in each look. Nothing is left in the
//! repository: the objects of a trial go into a folder that is deleted.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::Context;
use git2::{Delta, DiffDelta, Oid, Repository};

use crate::base::{Result, files, text};
use crate::coordinator::state::trial::{LISTED, Trial};
use crate::coordinator::state::{Job, State};
use crate::hub::Hub;
use crate::hub::git::{bounded_process, object_ids};
use crate::hub::settings::Overlap;
use crate::hub::worktrees::clean::delete_folder;
use crate::hub::worktrees::job_refs;

/// How long one merge may take: the coordinator waits for it, and people for the coordinator.
const EACH: Duration = Duration::from_secs(3);
/// After this long no further merge is tried in the same look.
const ALL: Duration = Duration::from_secs(1);
/// How many pairs are looked at, the newest jobs first.
const PAIRS: usize = 100;
/// Larger changes are left to git.
const FILES: usize = 10_000;
/// Relative to the machine-local folder.
const OBJECTS: &str = "cache/trial-objects";

/// The trial merges of all unfinished jobs; those of the saved state where nothing moved. Empty when the settings
/// switch them off.
///
/// # Errors
/// When the repository or the settings cannot be read.
pub fn observe(hub: &Hub, state: &State) -> Result<Vec<Trial>> {
    if hub.settings()?.coordinator.overlap == Overlap::Off {
        return Ok(Vec::new());
    }
    let repo = Repository::open_bare(&hub.common_dir).context("open the repository")?;
    let live: Vec<(&Job, String)> = state.live_jobs().filter_map(|job| Some((job, work_of(&repo, job)?))).collect();
    let begun = Instant::now();
    let mut trials = Vec::new();
    let pairs =
        live.iter().enumerate().rev().flat_map(|(at, newer)| live[..at].iter().map(move |older| (older, newer)));
    for ((older, left), (newer, right)) in pairs.take(PAIRS) {
        let known = state.trial(&older.id, &newer.id);
        let commits = [left.clone(), right.clone()];
        match known.filter(|known| known.commits == commits || begun.elapsed() > ALL) {
            Some(known) => trials.push(known.clone()),
            None if begun.elapsed() > ALL => {}
            None => {
                let tried = conflicting(hub, &repo, left, right)
                    .inspect_err(|e| tracing::warn!("cannot try to merge {} with {}: {e:#}", newer.id, older.id));
                let failed = tried.is_err();
                let (files, more) = tried.unwrap_or_default();
                trials.push(Trial { jobs: [older.id.clone(), newer.id.clone()], commits, files, failed, more });
            }
        }
    }
    Ok(trials)
}

/// The newest commit of a job, once it has changed something.
fn work_of(repo: &Repository, job: &Job) -> Option<String> {
    let (base, checkpoints) = job_refs::of_job(repo, &job.known_as())?;
    checkpoints.last().filter(|last| last.commit != base).map(|last| last.commit.to_string())
}

/// The files that do not merge, and how many more there are.
fn conflicting(hub: &Hub, repo: &Repository, left: &str, right: &str) -> Result<(Vec<String>, usize)> {
    if are_apart(repo, object_ids::parse(left)?, object_ids::parse(right)?)? {
        return Ok(Default::default());
    }
    let objects = hub.local(OBJECTS);
    delete_folder(&objects)?;
    std::fs::create_dir_all(&objects).map_err(|e| files::io_refusal(e, "create", &objects))?;
    let output = merge_tree(hub, &objects, left, right);
    delete_folder(&objects)?;
    let Output { status, stdout, stderr } = output?;
    match status.code() {
        Some(0) => Ok(Default::default()),
        // The tree's id, then the names.
        Some(1) => {
            let names = stdout.split(|byte| *byte == 0).skip(1).filter(|name| !name.is_empty());
            let names: Vec<String> = names.map(|name| text::safe(&String::from_utf8_lossy(name))).collect();
            let more = names.len().saturating_sub(LISTED);
            Ok((names.into_iter().take(LISTED).collect(), more))
        }
        _ => anyhow::bail!("git merge-tree: {}", text::clip(&text::safe(&String::from_utf8_lossy(&stderr)), 300)),
    }
}

/// Whether two commits only add and change files, none in the same place: then they merge, whatever is in the files.
/// Where one removes or renames something, git decides.
fn are_apart(repo: &Repository, left: Oid, right: Oid) -> Result<bool> {
    // Of several bases git merges those first. A shallow clone may lack some.
    let bases = repo.merge_bases(left, right);
    let Ok([base]) = bases.as_deref() else { return Ok(false) };
    let base = *base;
    let (Some(left), Some(right)) = (written(repo, base, left)?, written(repo, base, right)?) else { return Ok(false) };
    let meets = |path: &PathBuf, others: &BTreeSet<PathBuf>| path.ancestors().any(|above| others.contains(above));
    Ok(!left.iter().any(|path| meets(path, &right)) && !right.iter().any(|path| meets(path, &left)))
}

/// The files that a commit adds or changes; `None` when it does anything else, or too much.
fn written(repo: &Repository, base: Oid, commit: Oid) -> Result<Option<BTreeSet<PathBuf>>> {
    let tree = |commit| repo.find_commit(commit).and_then(|commit| commit.tree());
    let diff = repo.diff_tree_to_tree(Some(&tree(base)?), Some(&tree(commit)?), None)?;
    let path = |delta: DiffDelta<'_>| match delta.status() {
        Delta::Added | Delta::Modified => Some(delta.new_file().path()?.to_owned()),
        _ => None,
    };
    Ok(if diff.deltas().len() > FILES { None } else { diff.deltas().map(path).collect() })
}

fn merge_tree(hub: &Hub, objects: &Path, left: &str, right: &str) -> Result<Output> {
    let mut command = hub.git().command();
    command
        .args(["merge-tree", "--write-tree", "--name-only", "--no-messages", "-z", left, right])
        .env("GIT_OBJECT_DIRECTORY", objects)
        .env("GIT_ALTERNATE_OBJECT_DIRECTORIES", hub.common_dir.join("objects"))
        .env("GIT_NO_LAZY_FETCH", "1");
    bounded_process::run(&mut command, "git merge-tree", EACH, &|| {})
}

#[cfg(test)]
mod tests {
    use git2::{Signature, Time};

    use super::*;

    #[test]
    fn works_that_only_write_different_files_are_apart() {
        let dir = tempfile::tempdir().unwrap();
        let repo = Repository::init_bare(dir.path()).unwrap();
        let by = Signature::new("a", "a@b.invalid", &Time::new(0, 0)).unwrap();
        let commit = |files: &[(&str, &str)], parents: &[Oid]| {
            let mut index = git2::Index::new().unwrap();
            for (path, text) in files {
                let id = repo.blob(text.as_bytes()).unwrap();
                index.add(&entry(path, id)).unwrap();
            }
            let tree = repo.find_tree(index.write_tree_to(&repo).unwrap()).unwrap();
            let parents: Vec<_> = parents.iter().map(|id| repo.find_commit(*id).unwrap()).collect();
            repo.commit(None, &by, &by, "m", &tree, &parents.iter().collect::<Vec<_>>()).unwrap()
        };
        let base = commit(&[("a", "1"), ("d/b", "1")], &[]);
        let of = |files: &[(&str, &str)]| commit(files, &[base]);
        let left = of(&[("a", "2"), ("d/b", "1"), ("new", "1")]);
        for (right, apart) in [
            (&[("a", "1"), ("d/b", "2"), ("d/new", "1")][..], true),
            (&[("a", "3"), ("d/b", "1")], false),
            (&[("a", "2"), ("d/b", "1")], false),
            (&[("a", "1"), ("d/b", "1"), ("new", "1")], false),
            // A file here, a folder there.
            (&[("a", "1"), ("d/b", "1"), ("new/x", "1")], false),
            // Removed, or renamed: the other's new files may belong elsewhere.
            (&[("a", "1")], false),
            (&[("a", "1"), ("e/b", "1")], false),
        ] {
            let right = of(right);
            assert_eq!(are_apart(&repo, left, right).unwrap(), apart, "{right}");
            assert_eq!(are_apart(&repo, right, left).unwrap(), apart, "{right}");
        }
        assert!(!are_apart(&repo, left, commit(&[("b", "1")], &[])).unwrap(), "nothing in common");
    }

    fn entry(path: &str, id: Oid) -> git2::IndexEntry {
        let time = git2::IndexTime::new(0, 0);
        let (mode, path) = (0o100_644, path.into());
        let (dev, ino, uid, gid, file_size, flags, flags_extended) = (0, 0, 0, 0, 0, 0, 0);
        let (ctime, mtime) = (time, time);
        git2::IndexEntry { ctime, mtime, dev, ino, mode, uid, gid, file_size, id, flags, flags_extended, path }
    }
}
