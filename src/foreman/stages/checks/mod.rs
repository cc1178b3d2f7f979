//! Checks the result of a run with guards and tests, whatever its commands reported.

pub(in crate::foreman) mod base_tests;
pub(in crate::foreman) mod baseline;
pub(in crate::foreman) mod elsewhere;

use std::ops::ControlFlow::{self, Break, Continue};

use super::commit;
use super::context::StageContext;
use crate::base::Result;
use crate::foreman::commands::push_block;
use crate::foreman::commands::runner::Runner;
use crate::foreman::commands::targets::{self, Ran};
use crate::foreman::reporting::envelope::{DiffReport, StageReport};
use crate::foreman::reporting::report::{End, Report};
use crate::foreman::results::command_result::CommandResult;
use crate::guard::result::{self, Limits, Subject, Surroundings, dotgit, object_store, personal};
use crate::hub::Hub;
use crate::model::command::Command;
use crate::model::run::bundle::File;
use crate::model::run::outcome::{Finding, Verdict};
use base_tests::OnBase;

/// How many changed files are listed in a bundle; the others are counted.
const MOST_FILES: usize = 1000;
/// SIGKILL and SIGTERM, which others send.
const KILLS: [i32; 2] = [9, 15];

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

/// The run, as the one that may have moved a branch.
fn ran<'r>(report: &'r Report<'_>) -> Result<Ran<'r>> {
    let (place, work) = (report.place()?, report.work);
    let own = place.checkpoints.iter().map(|done| done.commit).collect();
    Ok(Ran { git_dir: &place.git_dir, base: place.base, own, job: work.job(), task: &work.order.task_id })
}

/// Finds what bypassed people: work in a target or at a remote, and trust that no person granted, which is revoked.
fn published(hub: &Hub, report: &Report, before: &Surroundings) -> Result<Vec<Finding>> {
    let place = report.place()?;
    let mut findings: Vec<_> = push_block::pushed(place)?.into_iter().collect();
    for target in targets::of(hub, &report.work.order) {
        findings.extend(targets::moved(hub, &ran(report)?, &target, before)?);
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
    found.extend(object_store::replaced(&hub.common_dir, before)?);
    found.extend(published(hub, report, before)?);
    found.extend(runner.push_attempts());
    found.retain(|finding| !report.findings.contains(finding));
    Ok(found)
}

/// Runs the order's tests, up to the first that fails. `Some` ends the run.
pub fn run_tests(context: &mut StageContext, stage: &mut StageReport) -> Result<Option<End>> {
    stage.passed = true;
    stage.outcome = "the order names no tests".into();
    for (i, line) in context.report.work.order.guardrails.tests.clone().iter().enumerate() {
        let done = match run_test(context, stage, i + 1, line)? {
            Continue(done) => done,
            Break(end) => return Ok(Some(end)),
        };
        if !done.succeeded() {
            return failed(context, stage, (i + 1, line), &done);
        }
        stage.outcome = "tests passed".into();
    }
    Ok(None)
}

/// Sends the work back to the coder, unless the base is to blame. `Some` ends the run.
fn failed(
    context: &mut StageContext,
    stage: &mut StageReport,
    (nth, line): (usize, &str),
    done: &CommandResult,
) -> Result<Option<End>> {
    let what = format!("test {line:?} failed: {}", done.outcome);
    let target = context.report.work.order.target_branch.clone();
    let on_base = match base_tests::last_failure(context) {
        Some(earlier) if base_tests::is_same(&earlier, &done.tail) => {
            let why = format!("the tests fail on {target} without any change: {line}");
            let hint = "fix the tests there, then retry the job; a retry with a note lets the agent try to fix them";
            stage.notes.push(Finding::high(base_tests::CODE, "", why.clone()).hint(hint));
            return Ok(Some(End::new(Verdict::Blocked, why)));
        }
        Some(_) => OnBase::FailsOtherwise,
        None if base_tests::is_in_doubt(context) => {
            (context.say)(&format!("      {what}; running it on {target} without the changes"));
            let test = Command::shell(line).labelled(format!("test {nth} without the changes: {line}"));
            match base_tests::run(context, stage, &test, &format!("test-{nth}-base"))? {
                Break(end) => return Ok(Some(end)),
                Continue(base) if base.succeeded() => OnBase::Passes,
                Continue(base) if base_tests::is_same(&base.tail, &done.tail) => OnBase::FailsAlike,
                Continue(_) => OnBase::FailsOtherwise,
            }
        }
        None => OnBase::Passes,
    };
    let code = if on_base == OnBase::FailsAlike { base_tests::CODE } else { base_tests::FAILED };
    let also = match on_base {
        OnBase::Passes => String::new(),
        _ => format!(" (it also fails on {target} without any change)"),
    };
    let message = format!("{what}{also}\n{}", done.tail);
    let hint = format!("see its output: {}", context.report.work.logs());
    stage.findings.push(Finding::high(code, "", message).hint(hint));
    stage.outcome = what + &also;
    stage.passed = false;
    Ok(None)
}

/// Runs one test. A failed test runs once more on the same tree; if it passes then, it is reported as flaky, unless
/// somebody killed it, and the work continues.
fn run_test(
    context: &mut StageContext,
    stage: &mut StageReport,
    nth: usize,
    line: &str,
) -> Result<ControlFlow<End, CommandResult>> {
    let test = Command::shell(line).labelled(format!("test {nth}: {line}"));
    let name = format!("test-{}-{nth}", stage.round);
    let first = context.run(&test, &name, &mut stage.tests)?;
    match &first {
        Continue(done) if !done.succeeded() => stage.duration_seconds += done.duration_seconds,
        Continue(done) => {
            stage.duration_seconds += done.duration_seconds;
            return Ok(first);
        }
        Break(_) => return Ok(first),
    }
    // Neither the test nor the work did that.
    let was_killed = matches!(&first, Continue(done) if done.signal.is_some_and(|signal| KILLS.contains(&signal)));
    // Files left by the first run would change the tree.
    commit::take_back(context, stage)?;
    let second = context.run(&test, &format!("{name}-again"), &mut stage.tests)?;
    if let Continue(done) = &second {
        stage.duration_seconds += done.duration_seconds;
        if done.succeeded() {
            let found = match was_killed {
                true => {
                    Finding::low("test.killed", "", format!("test {line:?} was killed, then passed on the same tree"))
                }
                false => {
                    Finding::medium("test.flaky", "", format!("test {line:?} failed, then passed on the same tree"))
                }
            };
            stage.notes.push(found.hint(format!("compare both outputs: {}", context.report.work.logs())));
        }
    }
    Ok(second)
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
