//! Collects the receipts of a run from where the work left them, and finds those that are missing.

use std::path::Path;

use super::evidence::{Evidence, Receipt};
use super::report::Report;
use crate::base::{Result, files};
use crate::guard::result::collect::{self, Caps, Collected, Source};
use crate::hub::git::attributes;
use crate::hub::git::clone_fidelity::{self, Need};
use crate::hub::worktrees::Place;
use crate::hub::{Hub, paths};
use crate::model::run::order::ExpectedReceipt;
use crate::model::run::outcome::Finding;
use crate::receipts::entry;

/// All of them together may weigh so many times the largest one.
const TOTAL: u64 = 8;

/// Adds what a pass left, and what its answer names, to what earlier passes did.
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

/// Finds the receipts that the work left: the expected ones in the worktree and in the receipts'
/// folder `left`, and everything else that is in the latter.
pub fn collect(hub: &Hub, report: &Report, left: &Path) -> Result<Evidence> {
    gather(hub, report, left, &[])
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
    // An answer's word is no expectation: what it names is taken where it is, and told where it is not.
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

/// Leaves out what a clone would lack, or have with other bytes: found here, not missed after the merge.
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

/// The order's expectations that nothing meets: neither what was left, nor the commit, nor the record.
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
            let message = "it is there, but git ignores it: it is not part of the commit";
            found.push(Finding::high("receipt.ignored", expected.path.as_str(), message));
            continue;
        }
        let tree = Source { folder: &place.root, stands_for: "" };
        let Collected { of_the_record, findings, .. } =
            collect::collect(std::slice::from_ref(expected), &[tree], Caps::default());
        found.extend(findings);
        for wanted in of_the_record {
            let message = "the record does not have it yet; the coordinator writes it with the step";
            found.push(Finding::low("receipt.later", wanted, message));
        }
    }
    if report.work.version == 1 {
        // Version 1 names, for people, what the playbook's own tools wrote under names of their own.
        for finding in found.iter_mut().filter(|finding| finding.code == "receipt.missing") {
            *finding =
                Finding::low("receipt.missing", finding.path.clone().unwrap_or_default(), finding.message.clone());
        }
    }
    found
}

/// Whether a file of the worktree will be in no commit because git ignores it.
fn is_ignored(place: &Place, path: &str) -> bool {
    let Ok(repo) = place.repository() else { return false };
    let repo = repo.repo();
    let tracked = repo.find_commit(place.tip()).and_then(|tip| tip.tree()?.get_path(Path::new(path)));
    !paths::is_owned(path) && tracked.is_err() && repo.is_path_ignored(path).unwrap_or(false)
}

/// Whether the work left a receipt that the record does not hold as it is already.
pub fn is_new(hub: &Hub, evidence: &Evidence) -> bool {
    let known = |receipt: &Receipt| {
        let path = hub.path(&receipt.target);
        path.and_then(|path| files::read(&path, files::MAX_DOCUMENT))
            .is_ok_and(|bytes| bytes.is_some_and(|bytes| bytes == receipt.text.as_bytes()))
    };
    evidence.receipts.iter().any(|receipt| !known(receipt))
}

/// What may enter: text, in the seat's own folder or a common one, never over a file that teof keeps.
fn sifted(collected: Collected, own: &str) -> Evidence {
    let mut evidence = Evidence { receipts: Vec::new(), findings: collected.findings };
    for receipt in collected.receipts {
        let (target, sha256) = (receipt.target, receipt.sha256);
        let mut refuse = |code: &str, message: &str| {
            let hint = format!("expect it under {own}/, as text");
            evidence.findings.push(Finding::high(code, target.as_str(), message).hint(hint));
        };
        if !is_free(&target, own) {
            refuse("receipt.not_yours", "a worker leaves no receipt there");
            continue;
        }
        if entry::is_rewritten(&target) {
            let message = "teof itself rewrites this file, so it is no receipt; the record has its own";
            evidence.findings.push(Finding::low("receipt.rewritten", target.as_str(), message));
            continue;
        }
        match String::from_utf8(receipt.bytes) {
            Ok(text) => evidence.receipts.push(Receipt { target, text, sha256 }),
            Err(_) => refuse("receipt.not_text", "a receipt is text; this one is not UTF-8"),
        }
    }
    evidence
}

/// Files that teof writes itself in a seat's folder (a folder of such a name would keep it from that), and
/// folders of such files.
const KEPT: [&str; 4] = ["errors.jsonl", "confidence.jsonl", "state.json", "decisions.jsonl"];
const KEPT_FOLDERS: [&str; 5] = ["manifests/", "reviews/", "runs/", "session_boot/", "session_guard/"];

/// Whether a worker may leave a receipt there. What teof writes is no worker's: a bundle or a decision that
/// a worker could leave would be a word about its own work.
fn is_free(target: &str, own: &str) -> bool {
    if let Some(of_a_seat) = target.strip_prefix("_report/agent/") {
        let seat = own.strip_prefix("_report/agent/").unwrap_or(own);
        let Some(inside) = of_a_seat.strip_prefix(seat).and_then(|rest| rest.strip_prefix('/')) else { return false };
        let first = inside.split('/').next().unwrap_or_default();
        return !KEPT.contains(&first) && !KEPT_FOLDERS.iter().any(|folder| inside.starts_with(folder));
    }
    target != paths::LEDGER && !target.starts_with("_report/session/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_leaves_receipts_in_its_own_folder_or_a_common_one() {
        let own = "_report/agent/codex-1";
        for (target, free) in [
            ("_report/agent/codex-1/tests.json", true),
            ("_report/usage/scan.json", true),
            ("_report/agent/codex-10/tests.json", false),
            ("_report/agent/codex-2/tests.json", false),
            ("_report/agent/codex-1/errors.jsonl", false),
            ("_report/agent/codex-1/manifests/x.json", false),
            ("_report/agent/codex-1/reviews/x.json", false),
            ("_report/agent/codex-1/runs/x/run.json", false),
            ("_report/agent/codex-1/state.json", false),
            ("_report/agent/codex-1/decisions.jsonl", false),
            ("_report/agent/codex-1/errors.jsonl/mine.json", false),
            ("_report/session/codex-1/manager-report-tail.txt", false),
            ("_report/receipts.jsonl", false),
        ] {
            assert_eq!(is_free(target, own), free, "{target}");
        }
    }
}
