//! Finds what a worker changed outside its worktree. Runs once, after its programs have ended.

use crate::base::{Result, files};
use crate::foreman::commands::runner::Runner;
use crate::foreman::commands::targets;
use crate::foreman::reporting::report::Report;
use crate::foreman::sandbox::SandboxState;
use crate::guard::result::{Surroundings, checkouts, git_trace, planted};
use crate::hub::Hub;
use crate::model::run::outcome::Finding;

/// Limit on git's trace, in bytes: about ten thousand commands.
const MAX_TRACE: u64 = 64 << 20;

/// Findings about the hub's checkout, other worktrees and the git directory. A target that the worker moved in its
/// checkout is recorded as moved, so that nothing is built on it.
///
/// # Errors
/// When the worktrees or settings cannot be read, or a moved branch cannot be recorded.
pub fn found(hub: &Hub, report: &Report, runner: &Runner, before: &Surroundings) -> Result<Vec<Finding>> {
    let trace = runner.git_trace();
    let (ran, unreadable) = match files::read(&trace, MAX_TRACE) {
        Ok(trace) => (git_trace::commands(&trace.unwrap_or_default()), None),
        Err(e) => (Vec::new(), Some(e)),
    };
    let elsewhere = checkouts::changed(hub, &report.place()?.git_dir, before, &ran)?;
    let mut findings = elsewhere.findings;
    // Where the kernel confined everything, a person made the changes that may have been the worker's.
    let sandbox = runner.sandbox();
    if sandbox.state == SandboxState::Full && sandbox.write.is_empty() {
        findings.retain(Finding::stops);
    }
    findings.extend(unreadable.map(|e| {
        let message = format!(
            "cannot read which git commands the worker ran, so it is unknown who changed what: \
            {e:#}"
        );
        Finding::medium("git.trace_unreadable", "", message)
    }));
    let is_target = targets::of(hub, &report.work.order);
    findings.extend(targets::moved_in_checkouts(hub, &super::ran(report)?, elsewhere.moved, &is_target)?);
    findings.extend(planted::found(hub, before));
    // Each git command of a run adds lines to the trace.
    if let Err(e) = files::remove(&trace) {
        tracing::debug!("cannot remove git's trace: {e:#}");
    }
    Ok(findings)
}

/// Whether a finding is about another worktree, or a branch that was moved there.
pub fn is_outside_change(finding: &Finding) -> bool {
    ["hub.changed", "worktree.changed", "git.target_moved"].contains(&finding.code.as_str())
}
