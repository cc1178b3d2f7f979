//! Checkpoints: commits the content of a worker's worktree to its branch, and the end of its stage under the job's ref.
//!
//! Reads and writes through libgit2 with the git directory named: no hooks, no filter drivers, no replace objects, and
//! no trust in the worktree's own index or `.git`. [`filtered`] handles files under a filter
//! driver (`git-lfs`).

pub(in crate::hub) mod filtered;
mod tree;

use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::build::CheckoutBuilder;
use git2::{ErrorCode, Oid, ReferenceType, Repository, Signature, Time, Tree};

use super::job_refs::{self, message};
use super::metadata::WorktreeMetadata;
use super::registry;
use super::size_limit;
use crate::base::{Refusal, Result, Stamp};
use crate::hub::git::{ancestry, object_ids};
use crate::hub::paths;

pub use super::job_refs::{Checkpoint, Mark, TRAILER_JOB, TRAILER_RUN};

/// A worktree's content and branch.
pub struct WorktreeRepository {
    repo: Repository,
    root: PathBuf,
}

/// The state of a job before a stage ends.
#[derive(Clone, Copy, Debug)]
pub struct Before<'a> {
    pub branch: &'a str,
    /// Where the job began.
    pub base: Oid,
    /// Oldest first.
    pub checkpoints: &'a [Checkpoint],
}

impl Before<'_> {
    /// The newest commit of the work, or the base.
    pub fn tip(&self) -> Oid {
        self.checkpoints.last().map_or(self.base, |last| last.commit)
    }
}

/// What the worktree holds.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// Everything except owned paths, which are as in the base.
    pub tree: Oid,
    /// Owned paths that were changed in the worktree.
    pub owned: Vec<String>,
    /// Git repositories created inside the worktree; they are not in the tree.
    pub nested: Vec<String>,
}

/// The result of parking uncommitted work.
#[derive(Clone, Debug)]
pub enum Parked {
    Nothing,
    /// Kept under this ref.
    Under(String),
    /// Not possible, with the reason: repositories inside the worktree, or too much data.
    Impossible(Refusal),
}

impl WorktreeRepository {
    pub fn open(git_dir: &Path, root: &Path) -> Result<Self> {
        Ok(Self { repo: tree::open(git_dir, root)?, root: root.to_owned() })
    }

    pub fn repo(&self) -> &Repository {
        &self.repo
    }

    /// Called again right before files are written or deleted, because this may have been open for a while.
    fn check_folder(&self) -> Result<()> {
        registry::check_folder(self.repo.path(), &self.root)
    }

    /// The worktree's files over the tree of `parent`; ignored files are not part of it.
    pub fn snapshot(&self, parent: Oid) -> Result<Snapshot> {
        let parent = self.repo.find_commit(parent)?.tree()?;
        let mut owned = Vec::new();
        let (tree, nested) = tree::over(self.repo.path(), &self.root, &parent, |path| {
            let skip = paths::OWNED.iter().any(|folder| path.starts_with(folder));
            if skip {
                owned.push(path.to_string_lossy().into_owned());
            }
            skip
        })?;
        Ok(Snapshot { tree, owned, nested })
    }

    /// Ends a stage: commits a tree on top of the work so far, if it changes anything, moves the branch there, from
    /// wherever it is, and records the checkpoint.
    ///
    /// A branch that somebody else moved meanwhile is saved under `refs/teof/moved/<run>`: nothing is lost, and
    /// nothing of it enters the result.
    pub fn commit(&self, before: &Before, tree: Oid, mark: &Mark, at: Stamp) -> Result<Checkpoint> {
        self.check_folder()?;
        let tip = before.tip();
        let parent = self.repo.find_commit(tip)?;
        let tree = self.repo.find_tree(tree)?;
        let time = Time::new(at.unix(), 0);
        let author = Signature::new(mark.agent, &format!("{}@teof.invalid", mark.agent), &time)?;
        let committer = match self.repo.signature() {
            Ok(own) => Signature::new(own.name().unwrap_or(mark.agent), own.email().unwrap_or("teof"), &time)?,
            Err(_) => author.clone(),
        };
        let commit = match tree.id() == parent.tree_id() {
            true => tip,
            false => self.repo.commit(None, &author, &committer, &message(mark), &tree, &[&parent])?,
        };
        let done = Checkpoint { commit, run: mark.run.into(), stage: mark.stage.into(), round: mark.round };
        let all = [before.checkpoints, std::slice::from_ref(&done)].concat();
        job_refs::record(&self.repo, mark, before.base, &all, &author)?;
        self.move_branch(before.branch, tip, commit, mark.run)?;
        self.update_head_and_index(before.branch, &tree);
        Ok(done)
    }

    /// Keeps everything that differs from `tip`, owned paths included, under `refs/teof/parked/<run>`.
    pub fn park(&self, tip: Oid, run: &str) -> Result<Parked> {
        let parent = self.repo.find_commit(tip)?;
        let (tree, nested) = match tree::over(self.repo.path(), &self.root, &parent.tree()?, |_| false) {
            Ok(found) => found,
            Err(e) => return size_limit::refusal(&e).map(Parked::Impossible).ok_or(e),
        };
        if let Some(path) = nested.first() {
            let what = format!("it contains a git repository ({path}), which a commit cannot include");
            return Ok(Parked::Impossible(Refusal::guard("worktree.nested", what)));
        }
        if tree == parent.tree_id() {
            return Ok(Parked::Nothing);
        }
        let tree = self.repo.find_tree(tree)?;
        let by = Signature::new("teof", "teof@teof.invalid", &Time::new(parent.time().seconds(), 0))?;
        let text = format!("Uncommitted work of run {run}\n");
        let commit = self.repo.commit(None, &by, &by, &text, &tree, &[&parent])?;
        self.keep("parked", run, commit).map(Parked::Under)
    }

    /// Restores parked work from a ref into the worktree's files, which are at the last checkpoint. HEAD, index and
    /// ref do not change.
    pub fn put_back(&self, parked: &str) -> Result<()> {
        self.check_folder()?;
        let commit = self.repo.find_reference(parked).and_then(|found| found.peel_to_commit())?;
        self.repo
            .checkout_tree(commit.as_object(), Some(CheckoutBuilder::new().force().update_index(false)))
            .with_context(|| format!("put {parked} back into the worktree"))
    }

    /// The paths that differ from `tip`, owned ones included, and the repositories inside the worktree.
    pub fn changes(&self, tip: Oid) -> Result<(Vec<String>, Vec<String>)> {
        let parent = self.repo.find_commit(tip)?.tree()?;
        let (tree, nested) = tree::over(self.repo.path(), &self.root, &parent, |_| false)?;
        let tree = self.repo.find_tree(tree)?;
        let diff = self.repo.diff_tree_to_tree(Some(&parent), Some(&tree), None)?;
        let path =
            |delta: git2::DiffDelta| delta.new_file().path_bytes().map(|p| String::from_utf8_lossy(p).into_owned());
        Ok((diff.deltas().filter_map(path).collect(), nested))
    }

    /// Resets the branch, and everything in the worktree that git does not ignore, to `tip`.
    pub fn reset(&self, branch: &str, tip: Oid) -> Result<()> {
        self.check_folder()?;
        let commit = self.repo.find_commit(tip)?;
        // First the index, without file metadata, so that no file counts as unchanged.
        self.update_head_and_index(branch, &commit.tree()?);
        let mut checkout = CheckoutBuilder::new();
        checkout.force().remove_untracked(true);
        // Files under a filter stay as the set-up left them: git's version would be a pointer. Copied files stay, too.
        let metadata = WorktreeMetadata::read(self.repo.path());
        if !metadata.filtered.is_empty() || !metadata.copied.is_empty() {
            let (changed, nested) = self.changes(tip)?;
            if changed.is_empty() && nested.is_empty() {
                return Ok(());
            }
            checkout.disable_pathspec_match(true);
            changed.iter().chain(&nested).for_each(|path| {
                checkout.path(path.as_str());
            });
        }
        self.repo.checkout_tree(commit.as_object(), Some(&mut checkout))?;
        Ok(())
    }

    /// Restores tracked files of the owned paths to `base`.
    pub fn restore_owned(&self, base: Oid) -> Result<()> {
        self.check_folder()?;
        let base = self.repo.find_commit(base)?;
        let mut checkout = CheckoutBuilder::new();
        checkout.force().update_index(false);
        paths::OWNED.iter().for_each(|folder| {
            checkout.path(format!("{folder}/*"));
        });
        self.repo.checkout_tree(base.as_object(), Some(&mut checkout)).context("restore the record's folders")
    }

    /// Moves the branch to `tip` if it points elsewhere; the old commits are kept.
    pub(in crate::hub) fn ensure_branch(&self, branch: &str, tip: Oid, run: &str) -> Result<()> {
        self.move_branch(branch, tip, tip, run)
    }

    fn move_branch(&self, branch: &str, expected: Oid, to: Oid, run: &str) -> Result<()> {
        let name = format!("refs/heads/{branch}");
        // A symbolic ref in place of the branch: the branch that it names is not ours, and stays as it is.
        if self.repo.find_reference(&name).is_ok_and(|found| found.kind() == Some(ReferenceType::Symbolic)) {
            self.repo.reference(&name, to, true, "teof: checkpoint")?;
            return Ok(());
        }
        match self.repo.refname_to_id(&name) {
            Ok(now) => {
                let kept = now == expected || ancestry::holds(&self.repo, to, now).unwrap_or(false);
                if !kept {
                    self.keep("moved", run, now)?;
                }
                if now != to {
                    self.repo.reference_matching(&name, to, true, now, "teof: checkpoint")?;
                }
            }
            Err(e) if e.code() == ErrorCode::NotFound => {
                self.repo.reference(&name, to, false, "teof: checkpoint")?;
            }
            Err(e) => return Err(e.into()),
        }
        Ok(())
    }

    /// As [`job_refs::keep`].
    pub fn keep(&self, kind: &str, run: &str, commit: Oid) -> Result<String> {
        job_refs::keep(&self.repo, kind, run, commit)
    }

    /// Sets HEAD (unless detached) and the index to what a person expects. teof itself reads neither.
    fn update_head_and_index(&self, branch: &str, tree: &Tree) {
        let head = match branch {
            "" => Ok(()),
            branch if self.is_on(branch) => Ok(()),
            branch => self.repo.set_head(&format!("refs/heads/{branch}")),
        };
        let updated = head.and_then(|()| {
            let mut index = object_ids::open_index(&self.repo, self.repo.path())?;
            index.read_tree(tree)?;
            index.write()
        });
        if let Err(e) = updated {
            tracing::debug!("cannot update the worktree's HEAD and index: {e}");
        }
    }

    fn is_on(&self, branch: &str) -> bool {
        let head = self.repo.find_reference("HEAD").ok();
        let target = head.and_then(|head| head.symbolic_target().ok().flatten().map(str::to_owned));
        target.is_some_and(|target| target.strip_prefix("refs/heads/") == Some(branch))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::git::Git;
    use std::fs;
    use std::path::PathBuf;

    fn repository() -> (tempfile::TempDir, PathBuf, Oid) {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().canonicalize().unwrap();
        let git = Git::at(&root);
        git.run(&["init", "-q", "-b", "main"]).unwrap();
        fs::create_dir(root.join("_bus")).unwrap();
        fs::write(root.join("_bus/a"), "bus").unwrap();
        fs::write(root.join("a"), "1").unwrap();
        fs::write(root.join("big.bin"), "pointer").unwrap();
        fs::write(root.join(".gitattributes"), "*.bin filter=evil\n").unwrap();
        git.run(&["add", "."]).unwrap();
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "base"]).unwrap();
        let base = git.run(&["rev-parse", "HEAD"]).unwrap();
        (dir, root, base.parse().unwrap())
    }

    fn open(root: &Path) -> WorktreeRepository {
        WorktreeRepository::open(&root.join(".git"), root).unwrap()
    }

    fn files(root: &Path, tree: Oid) -> String {
        Git::at(root).run(&["ls-tree", "-r", "--name-only", &tree.to_string()]).unwrap().replace('\n', " ")
    }

    #[test]
    fn owned_paths_ignored_files_and_odd_files_stay_out_of_the_tree() {
        let (_dir, root, base) = repository();
        fs::write(root.join("_bus/a"), "changed").unwrap();
        fs::write(root.join("_bus/new"), "x").unwrap();
        fs::write(root.join(".gitignore"), "*.log\n").unwrap();
        fs::write(root.join("x.log"), "x").unwrap();
        fs::remove_file(root.join("a")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", root.join("link")).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, root.join("fifo"), rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        let snapshot = open(&root).snapshot(base).unwrap();
        assert_eq!(files(&root, snapshot.tree), ".gitattributes .gitignore _bus/a big.bin link");
        assert_eq!(snapshot.owned, ["_bus/a", "_bus/new"]);
        open(&root).restore_owned(base).unwrap();
        assert_eq!(fs::read_to_string(root.join("_bus/a")).unwrap(), "bus");
        assert!(!root.join("a").exists(), "only owned paths are restored");
    }

    #[test]
    fn a_repository_inside_the_worktree_is_no_obstacle() {
        let (_dir, root, base) = repository();
        for name in ["empty", "full"] {
            fs::create_dir(root.join(name)).unwrap();
            Git::at(&root.join(name)).run(&["init", "-q"]).unwrap();
        }
        fs::write(root.join("full/a"), "1").unwrap();
        fs::write(root.join("empty/a"), "1").unwrap();
        let inner = Git::at(&root.join("full"));
        inner.run(&["add", "."]).unwrap();
        inner.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qm", "x"]).unwrap();
        let snapshot = open(&root).snapshot(base).unwrap();
        assert_eq!(files(&root, snapshot.tree), ".gitattributes _bus/a a big.bin");
        assert_eq!(snapshot.nested, ["empty/", "full/"]);
        assert!(matches!(open(&root).park(base, "run-1").unwrap(), Parked::Impossible(_)));
    }

    #[test]
    fn an_index_that_hides_changes_hides_nothing() {
        let (_dir, root, base) = repository();
        Git::at(&root).run(&["update-index", "--assume-unchanged", "a"]).unwrap();
        fs::write(root.join("a"), "2").unwrap();
        let snapshot = open(&root).snapshot(base).unwrap();
        let tree = snapshot.tree.to_string();
        assert_eq!(Git::at(&root).run(&["show", &format!("{tree}:a")]).unwrap(), "2");
    }

    #[test]
    fn filter_drivers_are_not_run() {
        let (_dir, root, base) = repository();
        Git::at(&root).run(&["config", "filter.evil.clean", "touch pwned; cat"]).unwrap();
        fs::write(root.join("big.bin"), "content").unwrap();
        fs::write(root.join("a"), "2").unwrap();
        let snapshot = open(&root).snapshot(base).unwrap();
        open(&root).park(base, "run-1").unwrap();
        assert!(!root.join("pwned").exists());
        let tree = snapshot.tree.to_string();
        assert_eq!(Git::at(&root).run(&["cat-file", "-p", &format!("{tree}:big.bin")]).unwrap(), "pointer");
    }

    #[test]
    fn a_branch_that_somebody_moved_is_kept_aside() {
        let (_dir, root, base) = repository();
        let git = Git::at(&root);
        git.run(&["switch", "-qc", "agent/x/a"]).unwrap();
        fs::write(root.join("a"), "2").unwrap();
        git.run(&["-c", "user.name=t", "-c", "user.email=t@t", "commit", "-qam", "the agent's own"]).unwrap();
        let own = git.run(&["rev-parse", "HEAD"]).unwrap();
        let repository = open(&root);
        let tree = repository.snapshot(base).unwrap().tree;
        let mark = Mark { agent: "x", job: "j", run: "r", stage: "commands", round: 1, title: "t" };
        let start = Before { branch: "agent/x/a", base, checkpoints: &[] };
        let done = repository.commit(&start, tree, &mark, Stamp::from_unix(0)).unwrap();
        assert_eq!(git.run(&["rev-parse", "refs/teof/moved/r"]).unwrap(), own);
        assert_eq!(job_refs::of_job(repository.repo(), "j"), Some((base, vec![done.clone()])));
        assert_eq!(job_refs::of_job(repository.repo(), "other"), None);
        assert_eq!(git.run(&["status", "--porcelain"]).unwrap(), "");

        // A stage that changes nothing leaves no commit.
        let (before, mark) =
            (Before { checkpoints: std::slice::from_ref(&done), ..start }, Mark { stage: "tester", ..mark });
        let next = repository.commit(&before, tree, &mark, Stamp::from_unix(1)).unwrap();
        assert_eq!(next.commit, done.commit);
        assert_eq!(job_refs::of_job(repository.repo(), "j"), Some((base, vec![done, next])));
        let commits = git.run(&["rev-list", "--count", "--all", "--not", "refs/teof/moved/r"]).unwrap();
        assert_eq!(commits, "1", "the work alone");
    }
}
