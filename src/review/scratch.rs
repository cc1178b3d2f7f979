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

use crate::base::{Refusal, Result};
use crate::foreman::check::{self, Trial};
use crate::hub::git::Git;
use crate::hub::worktrees::{Place, ready};
use crate::hub::{Hub, worktrees};
use crate::model::bundle::Bundle;

/// How the lock reason of ours begins.
const REASON: &str = "teof review ";

/// A scratch worktree; removed when dropped.
pub struct Scratch<'h> {
    hub: &'h Hub,
    root: PathBuf,
    commit: Oid,
}

impl<'h> Scratch<'h> {
    /// # Errors
    /// When git cannot make it, or its files cannot be written.
    pub fn make(hub: &'h Hub, job: &str, commit: Oid) -> Result<Scratch<'h>> {
        let home = worktrees::home(hub)?;
        fs::create_dir_all(&home).with_context(|| format!("create {}", home.display()))?;
        let name = |n: usize| if n == 1 { format!("review-{job}") } else { format!("review-{job}-{n}") };
        let root = (1..1000)
            .map(|n| home.join(name(n)))
            .find(|root| fs::symlink_metadata(root).is_err())
            .context("no free folder for a scratch worktree")?;
        let scratch = Scratch { hub, root, commit };
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
        let repo = Repository::open(&scratch.root).context("open the scratch worktree")?;
        let tree = repo.find_commit(commit)?;
        repo.checkout_tree(tree.as_object(), Some(CheckoutBuilder::new().force())).context("write the merged files")?;
        Ok(scratch)
    }

    /// Copies in and sets up what the settings say, as for a worker: they are the person's, who is here.
    fn make_ready(&self, run: &str, say: &dyn Fn(&str)) -> Result<()> {
        let settings = &self.hub.settings()?.worktrees;
        let git_dir = Repository::open(&self.root).context("open the scratch worktree")?.path().to_owned();
        let place = Place {
            root: self.root.clone(),
            git_dir,
            branch: String::new(),
            base: self.commit,
            checkpoints: Vec::new(),
            parked: None,
        };
        ready::copy_in(self.hub, &place, &settings.copy)?;
        let done = check::tests(self.hub, &self.root, run, &settings.setup, say)?;
        let Some(failed) = done.iter().find(|trial| !trial.test.passed) else { return Ok(()) };
        let message = format!("the set-up {:?} fails on the merged tree", failed.test.command);
        Err(Refusal::guard("review.setup_failed", message)
            .because(format!("{}\n{}", failed.outcome, failed.tail).trim().to_owned())
            .next(format!("all that it printed: {}", failed.log))
            .into())
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
        remove(self.hub, &self.root);
    }
}

/// Removes what approvals that were killed left behind.
pub fn clean(hub: &Hub) {
    for entry in fs::read_dir(hub.common_dir.join("worktrees")).into_iter().flatten().flatten() {
        let ours = fs::read_to_string(entry.path().join("locked")).is_ok_and(|reason| reason.starts_with(REASON));
        let link = fs::read_to_string(entry.path().join("gitdir")).unwrap_or_default();
        if let (true, Some(root)) = (ours, Path::new(link.trim_end()).parent()) {
            remove(hub, root);
        }
    }
}

fn remove(hub: &Hub, root: &Path) {
    let Some(path) = root.to_str() else { return };
    // Twice forced: it is locked, and tests leave files behind.
    let removed = Git::at(&hub.root).output(&["worktree", "remove", "--force", "--force", path]);
    if removed.is_ok_and(|output| output.status.success()) {
        return;
    }
    // Half made or half removed.
    if fs::symlink_metadata(root).is_ok_and(|meta| meta.is_dir()) {
        let _ = fs::remove_dir_all(root);
    }
    let _ = Git::at(&hub.root).output(&["worktree", "unlock", path]);
    let _ = Git::at(&hub.root).output(&["worktree", "prune"]);
}
