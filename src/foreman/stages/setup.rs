//! Sets up the worktree before the first stage: copies files and runs the set-up commands once.
//!
//! The set-up belongs to the operator, not the worker. It comes from the settings (unattended: from granted settings
//! only), and its changes to tracked files are not part of the result.

use std::ops::ControlFlow::{Break, Continue};

use crate::base::{Result, digest, text};
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::results::command_result::CommandResult;
use crate::foreman::watch::Watch;
use crate::guard::trust::commands;
use crate::hub::Hub;
use crate::hub::worktrees::{Place, setup};
use crate::model::command::Command;
use crate::model::run::outcome::{Finding, Verdict};

/// How many changed paths of a set-up are listed.
const NAMED: usize = 10;

/// Prepares the report's worktree. `Some` ends the run.
pub fn make_ready(
    hub: &Hub,
    report: &mut Report,
    runner: &Runner,
    watch: &mut Watch,
    unattended: bool,
    say: &dyn Fn(&str),
) -> Result<Option<End>> {
    let Some(place) = report.place.clone() else { return Ok(None) };
    let copied = report.work.order.guardrails.copied.clone();
    for (path, why) in setup::copy_in(hub, &place, &copied)? {
        report.findings.push(Finding::low("worktree.not_copied", path, format!("not copied: {why}")));
    }
    let lines = &hub.settings()?.worktrees.setup;
    // Joined by a character that no line contains, so that two lines differ from one.
    let digest = digest::sha256(lines.join("\0").as_bytes());
    if lines.is_empty() || setup::is_set_up(&place, &digest) {
        return Ok(None);
    }
    for (i, line) in lines.iter().enumerate() {
        if unattended {
            commands::trusted(hub)?.require_setup(line)?;
        }
        say(&format!("set-up [{}/{}] {}", i + 1, lines.len(), text::safe(line)));
        let command = Command::shell(line).labelled(format!("set-up {}: {line}", i + 1));
        let name = format!("setup-{}", i + 1);
        match runner.run_unless_stopped(&command, &name, watch, &mut report.setup, &mut report.findings)? {
            Break(halt) => return Ok(Some(End::from(halt))),
            Continue(done) if !done.succeeded() => return Ok(Some(failed(line, &done))),
            Continue(_) => {}
        }
    }
    setup::remember_filtered(&place)?;
    take_back(hub, report, &place, &copied)?;
    setup::mark_set_up(&place, &digest)?;
    Ok(None)
}

fn failed(line: &str, done: &CommandResult) -> End {
    let line = text::clip(&text::safe(line), 200);
    End::new(Verdict::Failed, format!("worktree set-up failed: {line}: {}", done.outcome))
}

/// Reverts the set-up's changes to files that git does not ignore; they would look like the worker's changes.
fn take_back(hub: &Hub, report: &mut Report, place: &Place, copied: &[String]) -> Result<()> {
    let changed = setup::revert(hub, place, copied)?;
    let more = changed.len().saturating_sub(NAMED);
    for path in changed.iter().take(NAMED) {
        let message = "the set-up changed this file, which git does not ignore; reverted";
        let hint = "change the set-up, or add the file to .gitignore";
        report.findings.push(Finding::low("worktree.setup_changed", path.as_str(), message).hint(hint));
    }
    if more > 0 {
        let message = format!("{more} more files changed by the set-up were reverted");
        report.findings.push(Finding::low("worktree.setup_changed", "", message));
    }
    Ok(())
}
