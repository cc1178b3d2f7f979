//! Whether the result of a run may stand, whatever its commands said: guards, tests, receipts, scan.

use super::bench::Bench;
use super::report::{DiffReport, End, Report};
use super::trusted::shell;
use super::watch::{Halt, Watch};
use crate::base::Result;
use crate::guard::collect::{self, Caps, Collected, Source};
use crate::guard::result::{self, Limits, Subject, Surroundings, dotgit};
use crate::hub::{Hub, paths};
use crate::model::command::Command;
use crate::model::order::ExpectedReceipt;
use crate::model::outcome::{Finding, Verdict};

/// All of them together may weigh so many times the largest one.
const TOTAL: u64 = 8;

/// Holds the commit to the order's guardrails; the findings go into the report.
pub fn guards(hub: &Hub, report: &mut Report, before: &Surroundings) -> Result<()> {
    let Some(place) = &report.place else { return Ok(()) };
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
        copied: Vec::new(),
    };
    let found = result::check(&subject, &limits)?;
    report.diff = Some(DiffReport {
        files: found.changes.len(),
        added: found.added,
        removed: found.removed,
        limit: rules.diff_limit,
    });
    report.findings.extend(found.findings);
    Ok(())
}

/// Runs the order's tests in the worktree, to the first that fails. `Some` ends the run.
pub fn tests(
    hub: &Hub,
    report: &mut Report,
    bench: &Bench,
    watch: &mut Watch,
    before: &Surroundings,
) -> Result<Option<End>> {
    let tests = report.work.order.guardrails.tests.clone();
    for (i, line) in tests.iter().enumerate() {
        if let Some(halt) = watch.boundary()? {
            return Ok(Some(halted(halt)));
        }
        let test = Command { label: Some(format!("test {}: {line}", i + 1)), ..shell(line) };
        let done = bench.perform(&test, &format!("test-{}", i + 1), watch)?;
        let (ok, cancelled, outcome) = (done.succeeded(), done.was_cancelled(), done.outcome.clone());
        report.tests.push(done);
        if cancelled {
            return Ok(Some(End::new(Verdict::Paused, "asked to stop")));
        }
        if !ok {
            let message = format!("the test {line:?} did not pass: {outcome}");
            report.findings.push(Finding::high("test.failed", "", message).hint("its output is in the envelope"));
            break;
        }
    }
    if let Some(place) = &report.place {
        // The tests are the result's own code: what they did to git's surroundings counts as well.
        let after = dotgit::surroundings(&hub.common_dir, &place.git_dir);
        let new = dotgit::differences(before, &after);
        report.findings.extend(new.into_iter().filter(|found| !report.findings.contains(found)).collect::<Vec<_>>());
    }
    Ok(None)
}

/// Finds the receipts that the work left: the expected ones in the worktree and in the receipts'
/// folder, and everything else that is in the latter.
pub fn receipts(hub: &Hub, report: &mut Report, left: &std::path::Path) -> Result<Collected> {
    let Some(place) = &report.place else { return Ok(Collected::default()) };
    let order = &report.work.order;
    let settings = &hub.settings()?.guard;
    let caps = Caps {
        file: settings.receipt_max_bytes,
        total: settings.receipt_max_bytes.saturating_mul(TOTAL),
        files: settings.receipt_max_files,
    };
    let own = paths::agent(&order.agent_id);
    let folder = Source { folder: left, stands_for: &own };
    let sources = [folder, Source { folder: &place.root, stands_for: "" }];
    let mut collected = collect::collect(&order.expected_receipts, &sources, caps);
    let rest = [ExpectedReceipt { description: None, path: format!("{own}/**") }];
    let rest = collect::collect(&rest, &[folder], caps);
    for receipt in rest.receipts {
        if collected.receipts.iter().all(|known| known.target != receipt.target) {
            collected.receipts.push(receipt);
        }
    }
    let of_interest = rest.findings.into_iter().filter(|found| found.code != "receipt.missing");
    let new: Vec<_> = of_interest.filter(|found| !collected.findings.contains(found)).collect();
    collected.findings.extend(new);
    collected.findings.retain(|found| !is_there(hub, found));
    keep_to_own(&mut collected, &own);
    keep_text(&mut collected);
    for wanted in &collected.of_the_record {
        if !hub.path(wanted).is_ok_and(|path| path.exists()) {
            let message = "the record does not have it yet; the coordinator writes it with the step";
            collected.findings.push(Finding::low("receipt.later", wanted.as_str(), message));
        }
    }
    if report.work.version == 1 {
        // Version 1 names, for people, what the playbook's own tools wrote under names of their own.
        for found in collected.findings.iter_mut().filter(|found| found.code == "receipt.missing") {
            *found = Finding::low("receipt.missing", found.path.clone().unwrap_or_default(), found.message.clone());
        }
    }
    report.findings.append(&mut collected.findings);
    Ok(collected)
}

/// An expected receipt that a command has put into the record itself, through `teof`.
fn is_there(hub: &Hub, found: &Finding) -> bool {
    found.code == "receipt.missing"
        && found.path.as_deref().is_some_and(|path| hub.path(path).is_ok_and(|path| path.is_file()))
}

/// A worker's receipts go into its own seat's folder or a common one, never into another seat's or
/// over a file that teof keeps.
fn keep_to_own(collected: &mut Collected, own: &str) {
    let findings = &mut collected.findings;
    collected.receipts.retain(|receipt| {
        let target = receipt.target.as_str();
        let others = target.starts_with("_report/agent/") && !target.starts_with(&format!("{own}/"));
        let kept = target == paths::LEDGER
            || target.starts_with("_report/session/")
            || target == format!("{own}/errors.jsonl")
            || target.starts_with(&format!("{own}/manifests/"))
            || target.starts_with(&format!("{own}/session_guard/"));
        if others || kept {
            let message = "a worker leaves no receipt there";
            findings.push(
                Finding::high("receipt.not_yours", target, message).hint(format!("expect it under {own}/ instead")),
            );
        }
        !others && !kept
    });
}

/// The record holds text.
fn keep_text(collected: &mut Collected) {
    let findings = &mut collected.findings;
    collected.receipts.retain(|receipt| {
        let text = std::str::from_utf8(&receipt.bytes).is_ok();
        if !text {
            let message = "a receipt is text; this one is not UTF-8";
            findings.push(Finding::high("receipt.not_text", receipt.target.as_str(), message));
        }
        text
    });
}

/// What the findings come to.
pub fn verdict(report: &Report) -> End {
    let stops: Vec<_> = report.findings.iter().filter(|found| found.stops()).collect();
    let asks: Vec<_> = report.findings.iter().filter(|found| found.needs_person()).collect();
    match (stops.as_slice(), asks.as_slice()) {
        ([], []) => End::new(Verdict::Succeeded, "committed, guarded and evidenced"),
        ([], [first, ..]) => {
            End::new(Verdict::Blocked, format!("a person has to look: {}", describe(first, asks.len())))
        }
        ([first, ..], _) => End::new(Verdict::Blocked, describe(first, stops.len())),
    }
}

fn describe(first: &Finding, count: usize) -> String {
    let path = first.path.as_ref().map(|path| format!("{path}: ")).unwrap_or_default();
    let more = if count > 1 { format!(" (and {} more)", count - 1) } else { String::new() };
    format!("{path}{}{more}", first.message)
}

pub fn halted(halt: Halt) -> End {
    match halt {
        Halt::Paused(why) => End::new(Verdict::Paused, why),
        Halt::Lost(why) => End::new(Verdict::Blocked, format!("the task was lost: {why}")),
    }
}
