//! Checks the result of a run with guards and tests, whatever its commands reported.

use super::context::StageContext;
use super::{commit, targets};
use crate::base::Result;
use crate::foreman::commands::push_block;
use crate::foreman::commands::runner::Runner;
use crate::foreman::reporting::report::{DiffReport, End, Report, StageReport};
use crate::foreman::watch::Watch;
use crate::guard::result::{self, Limits, Subject, Surroundings, dotgit, personal, surroundings};
use crate::hub::Hub;
use crate::model::command::Command;
use crate::model::run::bundle::File;
use crate::model::run::outcome::{Finding, Verdict};

/// How many changed files are listed in a bundle; the others are counted.
const MOST_FILES: usize = 1000;

/// Checks the commit against the order's guardrails and adds the findings to the report.
pub fn inspect_into(hub: &Hub, report: &mut Report, before: &Surroundings) -> Result<()> {
    let found = inspect(hub, report, before)?;
    report.findings.extend(found);
    Ok(())
}

/// Checks the commit against the order's guardrails and measures it.
pub fn inspect(hub: &Hub, report: &mut Report, before: &Surroundings) -> Result<Vec<Finding>> {
    let Some(place) = &report.place else { return Ok(Vec::new()) };
    let rules = &report.work.order.guardrails;
    let base = place.base.to_string();
    let subject = Subject {
        common_dir: &hub.common_dir,
        git_dir: &place.git_dir,
        worktree: &place.root,
        branch: &place.branch,
        base: &base,
        before: Some(before),
    };
    let limits = Limits {
        diff_lines: rules.diff_limit,
        allowed: rules.allowed.clone(),
        denied: rules.denied.clone(),
        protected: rules.protected.clone(),
        copied: rules.copied.clone(),
        generated: rules.generated.clone(),
    };
    let found = result::check(&subject, &limits)?;
    let committed = found.changes.iter().filter(|change| change.committed);
    let size = |change: &result::Change| File {
        path: crate::base::text::safe(&change.path),
        added: change.added,
        removed: change.removed,
    };
    let (mut files, mut more_files) = (Vec::new(), 0);
    for change in committed {
        if files.len() < MOST_FILES { files.push(size(change)) } else { more_files += 1 }
    }
    let diff = DiffReport {
        files: found.changes.len(),
        added: found.added,
        removed: found.removed,
        generated: found.generated,
        limit: rules.diff_limit,
    };
    let mut findings = found.findings;
    findings.extend(published(hub, report, before)?);
    (report.diff, report.files, report.more_files) = (Some(diff), files, more_files);
    Ok(findings)
}

/// Finds what bypassed people: work in a target or at a remote, and trust that no person granted, which is revoked.
fn published(hub: &Hub, report: &Report, before: &Surroundings) -> Result<Vec<Finding>> {
    let place = report.place()?;
    let mut findings: Vec<_> = push_block::pushed(place)?.into_iter().collect();
    for target in targets::of(hub, &report.work.order) {
        findings.extend(targets::moved(hub, report, &target, surroundings::target_before(before, &target))?);
    }
    let (digests, forged): (Vec<_>, Vec<_>) = personal::forged(hub, before)?.into_iter().unzip();
    if !forged.is_empty() {
        personal::revoke(hub, &digests)?;
    }
    findings.extend(forged);
    Ok(findings)
}

/// Changes outside the work that are not in the report yet. Checked when the work did not reach its guards, and after
/// its tests, because tests run the result's own code.
pub fn stray_changes(hub: &Hub, report: &Report, runner: &Runner, before: &Surroundings) -> Result<Vec<Finding>> {
    let mut found = dotgit::differences(before, &dotgit::observe(&hub.common_dir, &report.place()?.git_dir));
    found.extend(published(hub, report, before)?);
    found.extend(runner.push_attempts());
    found.retain(|finding| !report.findings.contains(finding));
    Ok(found)
}

/// Runs the order's tests after a pass of the coder, up to the first that fails. A failed test runs once more on the
/// same tree; if it passes then, it is reported as flaky and the work continues. `Some` ends the run.
pub fn run_round_tests(context: &mut StageContext, stage: &mut StageReport) -> Result<Option<End>> {
    stage.passed = true;
    stage.outcome = "the order names no tests".into();
    for (i, line) in context.report.work.order.guardrails.tests.clone().iter().enumerate() {
        for again in [false, true] {
            if let Some(halt) = context.watch.check_halt()? {
                return Ok(Some(End::from(halt)));
            }
            let test = Command::shell(line).labelled(format!("test {}: {line}", i + 1));
            let name = format!("test-{}-{}{}", stage.round, i + 1, if again { "-again" } else { "" });
            let done = context.runner.run(&test, &name, context.watch)?;
            let (ok, cancelled) = (done.succeeded(), done.was_cancelled());
            stage.duration_seconds += done.duration_seconds;
            stage.tests.push(done);
            if cancelled {
                return Ok(Some(End::new(Verdict::Paused, "stopped on request")));
            }
            if !ok && !again {
                // Files left by the first run would change the tree.
                commit::take_back(context, stage)?;
            }
            if ok {
                if again {
                    let message = format!("test {line:?} failed, then passed on the same tree");
                    stage
                        .notes
                        .push(Finding::medium("test.flaky", "", message).hint("compare both outputs in the envelope"));
                }
                break;
            }
        }
        let Some(last) = stage.tests.last().filter(|last| !last.succeeded()) else {
            stage.outcome = "tests passed".into();
            continue;
        };
        let message = format!("test {line:?} failed: {}\n{}", last.outcome, last.tail);
        stage.outcome = format!("test {line:?} failed: {}", last.outcome);
        stage.findings.push(Finding::high("test.failed", "", message).hint("see its output in the envelope"));
        stage.passed = false;
        break;
    }
    Ok(None)
}

/// Runs the order's tests in the worktree, up to the first that fails. `Some` ends the run.
pub fn run_tests(
    hub: &Hub,
    report: &mut Report,
    runner: &Runner,
    watch: &mut Watch,
    before: &Surroundings,
) -> Result<Option<End>> {
    let tests = report.work.order.guardrails.tests.clone();
    for (i, line) in tests.iter().enumerate() {
        if let Some(halt) = watch.check_halt()? {
            return Ok(Some(End::from(halt)));
        }
        let test = Command::shell(line).labelled(format!("test {}: {line}", i + 1));
        let done = runner.run(&test, &format!("test-{}", i + 1), watch)?;
        let (ok, cancelled, outcome) = (done.succeeded(), done.was_cancelled(), done.outcome.clone());
        report.tests.push(done);
        if cancelled {
            return Ok(Some(End::new(Verdict::Paused, "stopped on request")));
        }
        if !ok {
            let message = format!("test {line:?} failed: {outcome}");
            report.findings.push(Finding::high("test.failed", "", message).hint("see its output in the envelope"));
            break;
        }
    }
    let late = stray_changes(hub, report, runner, before)?;
    report.findings.extend(late);
    Ok(None)
}

/// The end of a run, decided by its findings.
///
/// A person reviews agents' work in any case, so findings for a person do not stop it.
pub fn verdict(report: &Report) -> End {
    let all = || report.findings.iter().chain(&report.guards);
    let stops: Vec<_> = all().filter(|found| found.stops()).collect();
    let is_told = |found: &Finding| result::REPORTED_ONLY.contains(&found.code.as_str());
    let asks: Vec<_> = all().filter(|found| found.needs_person() && !is_told(found) && !report.by_agents()).collect();
    let told: Vec<_> = all().filter(|found| is_told(found)).collect();
    match (stops.as_slice(), asks.as_slice()) {
        ([], []) => {
            let told = told.first().map(|first| format!("; worth checking: {}", describe(first, told.len())));
            End::new(Verdict::Succeeded, format!("checks passed, ready to merge{}", told.unwrap_or_default()))
        }
        ([], [first, ..]) => End::new(Verdict::Blocked, format!("needs a person: {}", describe(first, asks.len()))),
        ([first, ..], _) => End::new(Verdict::Blocked, describe(first, stops.len())),
    }
}

fn describe(first: &Finding, count: usize) -> String {
    let path = first.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    format!("{path}{}{more}", first.message)
}
