//! A temporary worktree of the merged tree, so that tests run on it without touching anybody's files.
//!
//! It is created next to the workers' worktrees, on no branch, and locked with a reason that names it. Files are
//! written through libgit2, so no configured filter runs. The next approval removes leftovers: it holds the review
//! lock, so nobody else uses one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::build::CheckoutBuilder;
use git2::{Oid, Repository};

use crate::base::{Refusal, Result, text};
use crate::foreman::commands::check::{self, Trial};
use crate::guard::secrets;
use crate::hub::worktrees::metadata::WorktreeMetadata;
use crate::hub::worktrees::{Place, setup};
use crate::hub::{Hub, worktrees};
use crate::model::command::Command;
use crate::model::run::bundle::Bundle;

/// Prefix of the lock reason.
const REASON: &str = "teof review ";
/// Prefix of the folder names.
const NAME: &str = "review-";

/// Removed when dropped.
pub struct TempWorktree<'h> {
    hub: &'h Hub,
    job: String,
    root: PathBuf,
    /// Git's own folder for it, even if `.git` in the worktree is changed later.
    git_dir: PathBuf,
    commit: Oid,
}

impl<'h> TempWorktree<'h> {
    /// # Errors
    /// When git cannot create it, or its files cannot be written.
    pub fn create(hub: &'h Hub, job: &str, commit: Oid) -> Result<TempWorktree<'h>> {
        worktrees::unfinished::repair(hub)?;
        let home = worktrees::home(hub)?;
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        let name = |n: usize| if n == 1 { format!("{NAME}{job}") } else { format!("{NAME}{job}-{n}") };
        let root = (1..1000)
            .map(|n| home.join(name(n)))
            .find(|root| fs::symlink_metadata(root).is_err())
            .context("no free folder for a temporary worktree")?;
        let mut worktree = TempWorktree { hub, job: job.to_owned(), root, git_dir: PathBuf::new(), commit };
        let (reason, id) = (format!("{REASON}{job}"), commit.to_string());
        let path = worktree.root.to_str().context("the worktree's path is not UTF-8")?;
        hub.git().run(&[
            "worktree",
            "add",
            "--detach",
            "--no-checkout",
            "--lock",
            "--reason",
            &reason,
            "--quiet",
            path,
            &id,
        ])?;
        worktree.root = worktree.root.canonicalize()?;
        let repo = Repository::open(&worktree.root).context("open the temporary worktree")?;
        worktree.git_dir = repo.path().to_owned();
        WorktreeMetadata { folders: worktrees::folders_of(&worktree.root), ..WorktreeMetadata::default() }
            .write(&worktree.git_dir)?;
        let tree = repo.find_commit(commit)?;
        repo.checkout_tree(tree.as_object(), Some(CheckoutBuilder::new().force())).context("write the merged files")?;
        Ok(worktree)
    }

    /// Copies files and runs the set-up from the settings, as for a worker.
    fn set_up(&self, run: &str, progress: &dyn Fn(&str)) -> Result<()> {
        let settings = &self.hub.settings()?.worktrees;
        let place = Place {
            root: self.root.clone(),
            git_dir: self.git_dir.clone(),
            branch: String::new(),
            base: self.commit,
            checkpoints: Vec::new(),
            parked: None,
            is_new: true,
        };
        setup::copy_in(self.hub, &place, &settings.copy)?;
        setup::bring(self.hub, &place.root, &place.git_dir, Some(self.commit))?;
        secrets::learn_copied(self.hub);
        if let Some(key) = setup::cache::key(settings, &place.root)?
            && let Ok(Some(_)) = setup::cache::restore(self.hub, &place, &key)
        {
            return Ok(());
        }
        let done = check::tests(self.hub, &self.root, (run, &self.job), &settings.setup, progress)?;
        let Some(failed) = done.iter().find(|trial| !trial.test.passed) else {
            return self.restore_tracked(&place, progress);
        };
        let message = format!("the set-up {:?} failed on the merged tree", failed.test.command);
        Err(Refusal::guard("review.setup_failed", message)
            .because(format!("{}\n{}", failed.outcome, failed.tail).trim().to_owned())
            .next(format!("see its output: {}", failed.log))
            .into())
    }

    /// Restores files that the set-up changed, unless git ignores them, so that the tests run on the merged tree.
    fn restore_tracked(&self, place: &Place, progress: &dyn Fn(&str)) -> Result<()> {
        // A commit made by the set-up would be on no branch and stay checked out.
        place.repository()?.repo().set_head_detached(self.commit)?;
        setup::remember_filtered(place)?;
        let changed = setup::revert(self.hub, place, &self.hub.settings()?.worktrees.copy)?;
        if let Some(first) = changed.first() {
            let more = if changed.len() > 1 { format!(" and {} more", changed.len() - 1) } else { String::new() };
            progress(&format!("the set-up changed {}{more}; reverted", text::safe(first)));
        }
        Ok(())
    }

    /// Sets up and runs the rollback commands of a job's step, until one fails.
    ///
    /// # Errors
    /// `review.setup_failed`; as [`check::commands`].
    pub fn roll_back(&self, bundle: &Bundle, commands: &[Command], progress: &dyn Fn(&str)) -> Result<Vec<Trial>> {
        let run = format!("rollback-{}", bundle.run);
        self.set_up(&run, progress)?;
        check::commands(self.hub, &self.root, (&run, &self.job), commands, progress)
    }

    /// Runs `lines` and the tests of the settings, each once, until one fails.
    ///
    /// # Errors
    /// `review.tests_failed` and `review.setup_failed`, with the end of what was printed.
    pub fn test(&self, bundle: &Bundle, mut lines: Vec<String>, progress: &dyn Fn(&str)) -> Result<Vec<Trial>> {
        lines.extend(self.hub.settings()?.guard.tests.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let run = format!("review-{}", bundle.run);
        self.set_up(&run, progress)?;
        let trials = check::tests(self.hub, &self.root, (&run, &self.job), &lines, progress)?;
        let Some(failed) = trials.iter().find(|trial| !trial.test.passed) else { return Ok(trials) };
        Err(Refusal::guard("review.tests_failed", format!("{:?} failed on the merged tree", failed.test.command))
            .because(format!("{}\n{}", failed.outcome, failed.tail).trim().to_owned())
            .next(format!("see its output: {}", failed.log))
            .next(format!("send it back: teof review retry {} --note …", bundle.short()))
            .into())
    }
}

impl Drop for TempWorktree<'_> {
    fn drop(&mut self) {
        clean(self.hub);
    }
}

/// Removes all temporary worktrees. The caller holds the review lock, so nobody uses one.
pub fn clean(hub: &Hub) {
    for entry in fs::read_dir(hub.common_dir.join("worktrees")).into_iter().flatten().flatten() {
        let ours = fs::read_to_string(entry.path().join("locked")).is_ok_and(|reason| reason.starts_with(REASON));
        if ours && let Err(e) = remove(hub, &entry.path()) {
            tracing::warn!("cannot remove a temporary worktree: {e:#}");
        }
    }
}

/// Removes one of them. `git worktree prune` could remove a person's worktree on a disk that is not mounted now. The
/// folder is removed first, so that after a kill git's folder still shows who created it.
fn remove(hub: &Hub, git_dir: &Path) -> Result<()> {
    if let Some(root) = worktrees::root_of(git_dir)
        && let Ok(found) = fs::symlink_metadata(&root)
    {
        let canonical = |path: &Path| path.canonicalize().ok();
        let home = canonical(&worktrees::home(hub)?);
        let in_home = home.is_some() && root.parent().and_then(canonical) == home;
        let named = root.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NAME));
        // Git's file about it could be edited to name any folder.
        let is_whole = fs::symlink_metadata(root.join(".git")).is_ok();
        let is_it = in_home && named && found.is_dir() && (!is_whole || worktrees::links_to(&root, git_dir));
        anyhow::ensure!(is_it, "{} is not a temporary worktree", root.display());
        worktrees::clean::delete_folder(&root)?;
    }
    worktrees::clean::delete_folder(git_dir)
}
