//! Finds what a worker did outside its own worktree; runs once, when its programs have ended.

use super::targets;
use crate::base::{Result, files};
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::report::Report;
use crate::guard::moved_target::{self, Moved, What};
use crate::guard::result::{Surroundings, checkouts, git_trace, planted};
use crate::hub::Hub;
use crate::model::run::outcome::Finding;

/// How much of git's trace is read, in bytes: some ten thousand commands.
const MAX_TRACE: u64 = 64 << 20;

/// What is found in the hub's checkout, in other worktrees, and in the git directory. A branch that the worker's git
/// moved in a checkout of it is noted for all who would build on it.
///
/// # Errors
/// When the worktrees or the settings cannot be read, or a moved branch cannot be noted.
pub fn found(hub: &Hub, report: &Report, runner: &Runner, before: &Surroundings) -> Result<Vec<Finding>> {
    let trace = runner.git_trace();
    let (ran, unreadable) = match files::read(&trace, MAX_TRACE) {
        Ok(trace) => (git_trace::commands(&trace.unwrap_or_default()), None),
        Err(e) => (Vec::new(), Some(e)),
    };
    let elsewhere = checkouts::changed(hub, &report.place()?.git_dir, before, &ran)?;
    let mut findings = elsewhere.findings;
    findings.extend(unreadable.map(|e| {
        let message = format!("which git commands the worker ran is not known, and so not who changed what: {e:#}");
        Finding::medium("git.trace_unreadable", "", message)
    }));
    let is_target = targets::of(hub, &report.work.order);
    for (branch, commit, what) in elsewhere.moved.into_iter().filter(|(branch, ..)| is_target.contains(branch)) {
        let words = match what {
            What::Holds => "got the commit",
            What::Lost => "has lost the commit",
        };
        let message = format!("{branch} {words} {commit} by git commands of the worker in its checkout");
        let hint = "nothing is built on it until a person has looked: teof coordinator reset-breaker --help";
        findings.push(Finding::high("git.target_moved", "", message).hint(hint));
        let (job, task) = (report.work.job().to_owned(), report.work.order.task_id.clone());
        moved_target::note(hub, Moved { branch, commit: commit.to_string(), what, job, task, at: hub.now() })?;
    }
    findings.extend(planted::found(hub, before));
    // Every git command of a run has some lines in it.
    if let Err(e) = files::remove(&trace) {
        tracing::debug!("git's trace was not removed: {e:#}");
    }
    Ok(findings)
}

/// Whether a finding is about another worktree, or a branch that was moved there.
pub fn is_outside_change(finding: &Finding) -> bool {
    ["hub.changed", "worktree.changed", "git.target_moved"].contains(&finding.code.as_str())
}
