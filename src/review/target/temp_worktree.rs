//! A worktree for an hour: the merged tree, so that tests run on it and nobody's files are touched.
//!
//! Made beside the workers' worktrees, on no branch, locked with a reason that says what it is. Files are
//! written through libgit2: no filter that somebody configured runs. Whatever is left of an earlier one is
//! removed by the next approval, which holds the lock that says nobody else has one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use git2::build::CheckoutBuilder;
use git2::{Oid, Repository};

use crate::base::{Refusal, Result, text};
use crate::foreman::commands::check::{self, Trial};
use crate::hub::worktrees::metadata::Note;
use crate::hub::worktrees::{Place, setup};
use crate::hub::{Hub, worktrees};
use crate::model::command::Command;
use crate::model::run::bundle::Bundle;

/// How the lock reason of ours begins.
const REASON: &str = "teof review ";
/// How their folders' names begin.
const NAME: &str = "review-";

/// A scratch worktree; removed when dropped.
pub struct Scratch<'h> {
    hub: &'h Hub,
    root: PathBuf,
    /// Git's own folder about it, wherever the `.git` in it leads by and by.
    git_dir: PathBuf,
    commit: Oid,
}

impl<'h> Scratch<'h> {
    /// # Errors
    /// When git cannot make it, or its files cannot be written.
    pub fn make(hub: &'h Hub, job: &str, commit: Oid) -> Result<Scratch<'h>> {
        worktrees::half_made::repair(hub)?;
        let home = worktrees::home(hub)?;
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        let name = |n: usize| if n == 1 { format!("{NAME}{job}") } else { format!("{NAME}{job}-{n}") };
        let root = (1..1000)
            .map(|n| home.join(name(n)))
            .find(|root| fs::symlink_metadata(root).is_err())
            .context("no free folder for a scratch worktree")?;
        let mut scratch = Scratch { hub, root, git_dir: PathBuf::new(), commit };
        let (reason, id) = (format!("{REASON}{job}"), commit.to_string());
        let path = scratch.root.to_str().context("the worktree's path is not UTF-8")?;
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
        scratch.root = scratch.root.canonicalize()?;
        let repo = Repository::open(&scratch.root).context("open the scratch worktree")?;
        scratch.git_dir = repo.path().to_owned();
        Note { folders: worktrees::folders_of(&scratch.root), ..Note::default() }.write(&scratch.git_dir)?;
        let tree = repo.find_commit(commit)?;
        repo.checkout_tree(tree.as_object(), Some(CheckoutBuilder::new().force())).context("write the merged files")?;
        Ok(scratch)
    }

    /// Copies in and sets up what the settings say, as for a worker: they are the person's, who is here.
    fn make_ready(&self, run: &str, say: &dyn Fn(&str)) -> Result<()> {
        let settings = &self.hub.settings()?.worktrees;
        let place = Place {
            root: self.root.clone(),
            git_dir: self.git_dir.clone(),
            branch: String::new(),
            base: self.commit,
            checkpoints: Vec::new(),
            parked: None,
        };
        setup::copy_in(self.hub, &place, &settings.copy)?;
        let done = check::tests(self.hub, &self.root, run, &settings.setup, say)?;
        let Some(failed) = done.iter().find(|trial| !trial.test.passed) else { return self.take_back(&place, say) };
        let message = format!("the set-up {:?} fails on the merged tree", failed.test.command);
        Err(Refusal::guard("review.setup_failed", message)
            .because(format!("{}\n{}", failed.outcome, failed.tail).trim().to_owned())
            .next(format!("all that it printed: {}", failed.log))
            .into())
    }

    /// What the set-up did to files that git knows or does not ignore: the tests are to run on the merged tree.
    fn take_back(&self, place: &Place, say: &dyn Fn(&str)) -> Result<()> {
        // A commit of the set-up's would be on no branch, and stay what is checked out.
        place.workshop()?.repo().set_head_detached(self.commit)?;
        setup::remember_filtered(place)?;
        let changed = setup::take_back(self.hub, place, &self.hub.settings()?.worktrees.copy)?;
        if let Some(first) = changed.first() {
            let more = if changed.len() > 1 { format!(" and {} more", changed.len() - 1) } else { String::new() };
            say(&format!("the set-up changed {}{more}; taken back", text::safe(first)));
        }
        Ok(())
    }

    /// Sets up and runs the commands that go back behind a job's work, to the first that fails.
    ///
    /// # Errors
    /// `review.setup_failed`; as [`check::commands`].
    pub fn roll_back(&self, bundle: &Bundle, commands: &[Command], say: &dyn Fn(&str)) -> Result<Vec<Trial>> {
        let run = format!("rollback-{}", bundle.run);
        self.make_ready(&run, say)?;
        check::commands(self.hub, &self.root, &run, commands, say)
    }

    /// Runs `lines` and the tests of the settings, each once, to the first that fails.
    ///
    /// # Errors
    /// `review.tests_failed` and `review.setup_failed`, with the end of what was printed.
    pub fn test(&self, bundle: &Bundle, mut lines: Vec<String>, say: &dyn Fn(&str)) -> Result<Vec<Trial>> {
        lines.extend(self.hub.settings()?.guard.tests.iter().cloned());
        let mut seen = std::collections::HashSet::new();
        lines.retain(|line| seen.insert(line.clone()));
        if lines.is_empty() {
            return Ok(Vec::new());
        }
        let run = format!("review-{}", bundle.run);
        self.make_ready(&run, say)?;
        let trials = check::tests(self.hub, &self.root, &run, &lines, say)?;
        let Some(failed) = trials.iter().find(|trial| !trial.test.passed) else { return Ok(trials) };
        Err(Refusal::guard(
            "review.tests_failed",
            format!("{:?} does not pass on the merged tree", failed.test.command),
        )
        .because(format!("{}\n{}", failed.outcome, failed.tail).trim().to_owned())
        .next(format!("all that it printed: {}", failed.log))
        .next(format!("send it back: teof review retry {} --note …", bundle.job))
        .into())
    }
}

impl Drop for Scratch<'_> {
    fn drop(&mut self) {
        clean(self.hub);
    }
}

/// Removes the scratch worktrees that there are: whoever asks holds the lock that says nobody works in one.
pub fn clean(hub: &Hub) {
    for entry in fs::read_dir(hub.common_dir.join("worktrees")).into_iter().flatten().flatten() {
        let ours = fs::read_to_string(entry.path().join("locked")).is_ok_and(|reason| reason.starts_with(REASON));
        if ours && let Err(e) = remove(hub, &entry.path()) {
            tracing::warn!("a scratch worktree is left behind: {e:#}");
        }
    }
}

/// One of them, and nothing else that git knows: what it would prune may be a person's worktree on a disk that
/// is not there now. The folder goes first, so that what a kill leaves is known to be ours.
fn remove(hub: &Hub, git_dir: &Path) -> Result<()> {
    if let Some(root) = worktrees::root_of(git_dir)
        && let Ok(found) = fs::symlink_metadata(&root)
    {
        let canonical = |path: &Path| path.canonicalize().ok();
        let home = canonical(&worktrees::home(hub)?);
        let in_home = home.is_some() && root.parent().and_then(canonical) == home;
        let named = root.file_name().is_some_and(|name| name.to_string_lossy().starts_with(NAME));
        // Git's file about it can be edited to name any folder.
        anyhow::ensure!(in_home && named && found.is_dir(), "{} is none", root.display());
        worktrees::clean::delete_folder(&root)?;
    }
    worktrees::clean::delete_folder(git_dir)
}
