//! Finds what the commands of an approval or a rollback changed outside their worktree: they run code of agents, and not
//! every kernel confines it.
//!
//! As after a run, a change that somebody else may have made stops nothing: people work elsewhere at the same time.

use std::collections::BTreeSet;
use std::path::Path;

use git2::Oid;
use serde_json::json;

use super::targets::{self, Ran};
use crate::base::{Refusal, Result, text};
use crate::guard::Finding;
use crate::guard::result::{Surroundings, checkouts, dotgit, surroundings};
use crate::hub::Hub;
use crate::model::run::job_name::short;

/// The state around a worktree before its commands ran.
pub struct Watch<'a> {
    hub: &'a Hub,
    ran: Ran<'a>,
    targets: BTreeSet<String>,
    before: Surroundings,
}

impl<'a> Watch<'a> {
    /// Records the state; `git_dir` is that of the worktree, and `base` the commit in it.
    ///
    /// # Errors
    /// When the worktrees or settings cannot be read.
    pub fn start(hub: &'a Hub, git_dir: &'a Path, base: Oid, job: &'a str) -> Result<Watch<'a>> {
        let targets: BTreeSet<String> = hub.branch().into_iter().chain(hub.target()?).collect();
        let mut before = dotgit::observe(&hub.common_dir, git_dir);
        for target in &targets {
            surroundings::record_target(&hub.common_dir, target, &mut before);
        }
        checkouts::record(hub, git_dir, &mut before)?;
        surroundings::record_boot(&mut before);
        Ok(Watch { hub, ran: Ran { git_dir, base, own: Vec::new(), job, task: job }, targets, before })
    }

    /// Compares the state. A target that the commands moved is recorded as moved.
    ///
    /// # Errors
    /// `review.outside_changed` (exit 1), with the findings.
    pub fn end(self) -> Result<()> {
        let Watch { hub, ran, targets, before } = self;
        let mut findings = dotgit::differences(&before, &dotgit::observe(&hub.common_dir, ran.git_dir));
        let elsewhere = checkouts::changed(hub, ran.git_dir, &before, &[])?;
        findings.extend(elsewhere.findings);
        findings.extend(targets::moved_in_checkouts(hub, &ran, elsewhere.moved, &targets)?);
        for target in &targets {
            findings.extend(targets::moved(hub, &ran, target, &before)?);
        }
        findings.retain(Finding::stops);
        let Some(first) = findings.first() else { return Ok(()) };
        let next = first.hint.clone().unwrap_or_else(|| "see what else is wrong: teof doctor".to_owned());
        let said: Vec<_> = findings.iter().map(|found| text::safe(&found.message)).collect();
        Err(Refusal::guard(
            "review.outside_changed",
            format!("the commands of {} changed something outside their worktree", text::safe(&short(ran.job))),
        )
        .because(said.join("\n"))
        .next(next)
        .with("findings", json!(findings))
        .into())
    }
}
