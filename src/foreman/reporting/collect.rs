//! Collects the receipts of a run and finds the missing ones.

use std::path::Path;

use super::evidence::{Evidence, Receipt};
use super::report::Report;
use crate::base::{Result, files};
use crate::guard::result::collect::{self, Caps, Collected, Source};
use crate::hub::repository::attributes;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::hub::worktrees::Place;
use crate::hub::{Hub, paths};
use crate::model::run::order::ExpectedReceipt;
use crate::model::run::outcome::Finding;
use crate::receipts::entry;

/// Limit on all receipts together, as a multiple of the limit on one.
const TOTAL: u64 = 8;

/// Adds the receipts of a stage to those of earlier stages: the expected ones in the worktree, everything in the
/// receipts folder `left`, and those that an answer names.
pub fn add(hub: &Hub, report: &mut Report, left: &Path, named: &[ExpectedReceipt]) -> Result<()> {
    let mut found = gather(hub, report, left, named)?;
    for receipt in std::mem::take(&mut report.evidence.receipts) {
        if found.receipts.iter().all(|newer| newer.target != receipt.target) {
            found.receipts.push(receipt);
        }
    }
    report.evidence = found;
    Ok(())
}

fn gather(hub: &Hub, report: &Report, left: &Path, named: &[ExpectedReceipt]) -> Result<Evidence> {
    let Some(place) = &report.place else { return Ok(Evidence::default()) };
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
    let mut all = collect::collect(&order.expected_receipts, &sources, caps);
    let rest = [ExpectedReceipt { description: None, path: format!("{own}/**") }];
    let rest = collect::collect(&rest, &[folder], caps);
    for receipt in rest.receipts {
        if all.receipts.iter().all(|known| known.target != receipt.target) {
            all.receipts.push(receipt);
        }
    }
    for found in rest.findings {
        if !all.findings.contains(&found) {
            all.findings.push(found);
        }
    }
    // A receipt named only in an answer is not an expectation: it is taken if it exists, else reported as a note.
    let said = collect::collect(named, &sources, caps);
    for receipt in said.receipts {
        if all.receipts.iter().all(|known| known.target != receipt.target) {
            all.receipts.push(receipt);
        }
    }
    all.findings.retain(|found| found.code != "receipt.missing");
    all.findings.extend(said.findings.into_iter().map(|found| match found.code.as_str() {
        "receipt.secret" => found,
        code => {
            Finding::low(code, found.path.clone().unwrap_or_default(), format!("named in an answer: {}", found.message))
        }
    }));
    let mut evidence = sifted(all, &own);
    keep_what_git_keeps(hub, &mut evidence)?;
    Ok(evidence)
}

/// Leaves out receipts that a clone would lack or get with other bytes, so that this is noticed now and not after the
/// merge.
fn keep_what_git_keeps(hub: &Hub, evidence: &mut Evidence) -> Result<()> {
    let targets: Vec<_> = evidence.receipts.iter().map(|receipt| (receipt.target.as_str(), Need::Bytes)).collect();
    if targets.is_empty() {
        return Ok(());
    }
    attributes::ensure(hub)?;
    let losses = clone_fidelity::losses(hub, &targets)?;
    evidence.receipts.retain(|receipt| losses.iter().all(|loss| loss.path != receipt.target));
    evidence.findings.extend(losses.into_iter().map(|loss| {
        let hint = format!("give the receipt a name that git keeps, or: {}", loss.fix);
        Finding::high(loss.code, loss.path, loss.why).hint(hint)
    }));
    Ok(())
}

/// The order's expected receipts that are in none of: the collected files, the commit, the record.
pub fn missing(hub: &Hub, report: &Report) -> Vec<Finding> {
    let Some(place) = &report.place else { return Vec::new() };
    let order = &report.work.order;
    let mut found = Vec::new();
    for expected in &order.expected_receipts {
        let pattern = collect::pattern(&expected.path);
        let told = |finding: &Finding| finding.path.as_deref().is_some_and(|path| pattern.is_match(path));
        let left = report.evidence.receipts.iter().any(|receipt| pattern.is_match(&receipt.target));
        let recorded = hub.path(&expected.path).is_ok_and(|path| path.is_file());
        if left || recorded || report.evidence.findings.iter().any(told) {
            continue;
        }
        if is_ignored(place, &expected.path) {
            let message = "the file exists, but git ignores it, so it is not in the commit";
            found.push(Finding::high("receipt.ignored", expected.path.as_str(), message));
            continue;
        }
        let tree = Source { folder: &place.root, stands_for: "" };
        let Collected { of_the_record, findings, .. } =
            collect::collect(std::slice::from_ref(expected), &[tree], Caps::default());
        found.extend(findings);
        for wanted in of_the_record {
            let message = "not in the record yet; the coordinator writes it with the step";
            found.push(Finding::low("receipt.later", wanted, message));
        }
    }
    if report.work.version == 1 {
        // In version 1 these names are for people; the playbook's tools wrote the files under other names.
        for finding in found.iter_mut().filter(|finding| finding.code == "receipt.missing") {
            *finding =
                Finding::low("receipt.missing", finding.path.clone().unwrap_or_default(), finding.message.clone());
        }
    }
    found
}

/// Whether git ignores a file of the worktree, so that no commit will contain it.
fn is_ignored(place: &Place, path: &str) -> bool {
    let Ok(repo) = place.repository() else { return false };
    let repo = repo.repo();
    let tracked = repo.find_commit(place.tip()).and_then(|tip| tip.tree()?.get_path(Path::new(path)));
    !paths::is_owned(path) && tracked.is_err() && repo.is_path_ignored(path).unwrap_or(false)
}

/// Whether the work left a receipt that is new or differs from the record.
pub fn is_new(hub: &Hub, evidence: &Evidence) -> bool {
    let known = |receipt: &Receipt| {
        let path = hub.path(&receipt.target);
        path.and_then(|path| files::read(&path, files::MAX_DOCUMENT))
            .is_ok_and(|bytes| bytes.is_some_and(|bytes| bytes == receipt.text.as_bytes()))
    };
    evidence.receipts.iter().any(|receipt| !known(receipt))
}

/// Keeps the receipts that may enter the record: text, in the seat's own folder or a common one, never over a file
/// that teof writes.
fn sifted(collected: Collected, own: &str) -> Evidence {
    let mut evidence = Evidence { receipts: Vec::new(), findings: collected.findings };
    for receipt in collected.receipts {
        let (target, sha256) = (receipt.target, receipt.sha256);
        let mut refuse = |code: &str, message: &str| {
            let hint = format!("expect it under {own}/, as text");
            evidence.findings.push(Finding::high(code, target.as_str(), message).hint(hint));
        };
        if !entry::may_leave(&target, own) {
            refuse("receipt.not_yours", "a worker must not leave a receipt there");
            continue;
        }
        if entry::is_rewritten(&target) {
            let message = "teof writes this file itself, so it cannot be a receipt";
            evidence.findings.push(Finding::low("receipt.rewritten", target.as_str(), message));
            continue;
        }
        match String::from_utf8(receipt.bytes) {
            Ok(text) => evidence.receipts.push(Receipt { target, text, sha256 }),
            Err(_) => refuse("receipt.not_text", "a receipt must be text; this file is not UTF-8"),
        }
    }
    evidence
}
