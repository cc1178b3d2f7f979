//! Sets up the worktree before the first stage: copies files and runs the set-up commands once.
//!
//! The set-up belongs to the operator, not the worker. It comes from the settings (unattended: from granted settings
//! only), and its changes to tracked files are not part of the result.

use std::ops::ControlFlow::{Break, Continue};

use crate::base::{Result, digest, text};
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::envelope::SetupCache;
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::results::command_result::CommandResult;
use crate::foreman::watch::Watch;
use crate::guard::secrets;
use crate::guard::trust::commands;
use crate::hub::Hub;
use crate::hub::worktrees::metadata::setup_state;
use crate::hub::worktrees::setup::cache;
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
    let brought = setup::bring(hub, &place.root, &place.git_dir, Some(place.tip()))?;
    if !brought.names.is_empty() {
        say(&format!("included {}", text::counted(brought.names.len(), "path")));
    }
    let more = brought.left_out.len().saturating_sub(NAMED);
    for (path, why) in brought.left_out.into_iter().take(NAMED) {
        report.findings.push(Finding::low("worktree.not_copied", path, format!("not copied: {why}")));
    }
    if more > 0 {
        report.findings.push(Finding::low("worktree.not_copied", "", format!("{more} more paths were not copied")));
    }
    // What a program of the run repeats of them is redacted.
    secrets::learn_copied(hub);
    report.included = brought.names;
    let done = run_setup(hub, report, runner, watch, unattended, say)?;
    if done.is_none() {
        setup_state::mark_used(hub, &place.git_dir)?;
    }
    Ok(done)
}

/// Runs the set-up lines, or restores what they made for another worktree.
fn run_setup(
    hub: &Hub,
    report: &mut Report,
    runner: &Runner,
    watch: &mut Watch,
    unattended: bool,
    say: &dyn Fn(&str),
) -> Result<Option<End>> {
    let place = report.place()?.clone();
    let copied = report.work.order.guardrails.copied.clone();
    let settings = &hub.settings()?.worktrees;
    let lines = &settings.setup;
    // Joined by a character that no line contains, so that two lines differ from one.
    let digest = digest::sha256(lines.join("\0").as_bytes());
    if lines.is_empty() || setup_state::is_set_up(hub, &place.git_dir, &digest) {
        return Ok(None);
    }
    if unattended {
        let trusted = commands::trusted(hub)?;
        lines.iter().try_for_each(|line| trusted.require_setup(line))?;
    }
    let key = cache::key(settings, &place.root)?;
    if let Some(key) = &key
        && restored(hub, report, &place, key, say)
    {
        setup_state::mark_set_up(hub, &place.git_dir, &digest)?;
        return Ok(None);
    }
    for (i, line) in lines.iter().enumerate() {
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
    if let Some(key) = &key {
        keep(hub, report, &place, key, say);
    }
    setup_state::mark_set_up(hub, &place.git_dir, &digest)?;
    Ok(None)
}

/// Whether the set-up's result came from the cache. A cache that cannot be used is no reason to fail.
fn restored(hub: &Hub, report: &mut Report, place: &Place, key: &str, say: &dyn Fn(&str)) -> bool {
    match cache::restore(hub, place, key) {
        Ok(Some(entry)) => {
            say(&format!("set-up restored from its cache: {}", text::safe(&entry.paths.join(", "))));
            report.setup_cache = Some(SetupCache { key: entry.key, restored: true, paths: entry.paths });
            true
        }
        Ok(None) => false,
        Err(e) => {
            not_cached(report, "", &format!("{e:#}"));
            false
        }
    }
}

/// Keeps the set-up's result for the next worktree.
fn keep(hub: &Hub, report: &mut Report, place: &Place, key: &str, say: &dyn Fn(&str)) {
    match cache::store(hub, place, key) {
        Ok(Some(entry)) => {
            entry.left_out.iter().for_each(|(path, why)| not_cached(report, path, why));
            if !entry.paths.is_empty() {
                say(&format!("set-up kept for the next worktree: {}", text::safe(&entry.paths.join(", "))));
                report.setup_cache = Some(SetupCache { key: entry.key, restored: false, paths: entry.paths });
            }
        }
        Ok(None) => {}
        Err(e) => not_cached(report, "", &format!("{e:#}")),
    }
}

fn not_cached(report: &mut Report, path: &str, why: &str) {
    let hint = "list ignored folders that the set-up makes in [worktrees] cache";
    report.findings.push(Finding::low("worktree.not_cached", path, format!("set-up not cached: {why}")).hint(hint));
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
