//! Sentinels: scans that find damage and neglect in the record.
//!
//! Each checks one thing and writes nothing. `high` findings are damage or danger (a broken chain, an altered
//! receipt, a secret): `teof scan` exits with 1, and a new one opens the breaker. `medium` findings wait for a
//! person (stale claims, invalid plans); `low` ones are hints.

mod chains;
mod claims;
mod commitments;
mod compare;
mod consensus;
mod plans;
mod seats;
mod secrets;
pub mod watch;

use std::collections::HashSet;

pub use compare::{counts, fingerprint, new_since};

pub use self::claims::stale as stale_claims;
use super::moved_target;
use super::preflight::{self, Tree};
use super::{Finding, capped};
use crate::base::{Clock, Result};
use crate::hub::Hub;
use crate::model::event::Severity;
use crate::receipts;
use crate::receipts::seen::Seen;

/// Runs all sentinels over the hub's record. Sorted: worst first, then by file and line.
///
/// They read without a lock, so they may see a transaction in progress, or one that a crash interrupted. A high
/// finding counts only if it is still there after taking the lock once, which waits for the one and completes the
/// other.
///
/// # Errors
/// Only when the record cannot be read at all.
pub fn scan(hub: &Hub) -> Result<Vec<Finding>> {
    scan_with(hub, &mut Seen::default())
}

/// Like [`scan`], but does not look again at what was seen in files that have not changed.
fn scan_with(hub: &Hub, seen: &mut Seen) -> Result<Vec<Finding>> {
    let first = look(hub, seen)?;
    if !first.iter().any(Finding::stops) {
        return Ok(first);
    }
    if let Err(e) = hub.lock("scan") {
        // A read-only hub does not change, so the first result stands.
        tracing::debug!("cannot repeat the scan: {e:#}");
        return Ok(first);
    }
    let known: HashSet<_> = first.iter().map(fingerprint).collect();
    let mut again = look(hub, seen)?;
    again.retain(|found| !found.stops() || known.contains(&fingerprint(found)));
    Ok(again)
}

/// Like [`scan`], and saves the findings: `scan --if-changed` shows them again, and the coordinator starts no new job
/// while one of them is high. What was seen in files that have not changed is not looked at again.
///
/// # Errors
/// Like [`scan`]; also when the findings cannot be saved.
pub fn scan_and_remember(hub: &Hub, prefixes: &[String], seen: &mut Seen) -> Result<Vec<Finding>> {
    let state = watch::state(&hub.root, prefixes);
    let findings = scan_with(hub, seen)?;
    watch::remember(hub, prefixes, state, &findings)?;
    Ok(findings)
}

fn look(hub: &Hub, seen: &mut Seen) -> Result<Vec<Finding>> {
    // Files are dated by the machine, whatever the hub's clock says.
    let began = Clock::Machine.nanoseconds();
    let tree = Tree::open(&hub.worktree())?;
    let mut findings = claims::stale(hub)?;
    findings.extend(preflight::double_holds(&tree));
    findings.extend(preflight::dependencies(&tree, Severity::Medium));
    findings.extend(moved_target::standing(hub)?.iter().map(|moved| {
        let hint = "check the branch; to accept it as it is, as a person: teof coordinator reset-breaker";
        Finding::high(moved_target::SCAN_CODE, "", moved.describe()).hint(hint)
    }));
    findings.extend(receipts::verify::verify_unseen(&hub.root, true, seen)?.findings);
    findings.extend(plans::invalid(hub, &tree)?);
    findings.extend(chains::broken(&tree)?);
    findings.extend(seats::twins(hub)?);
    findings.extend(consensus::waiting(hub)?);
    findings.extend(commitments::open(&tree));
    findings.extend(secrets::in_record(&hub.root, seen));
    seen.end_of_scan(began);
    let mut findings = capped::per_code(findings);
    let rank = |found: &Finding| std::cmp::Reverse(Severity::parse(&found.severity));
    findings.sort_by(|a, b| (rank(a), &a.path, a.line, &a.code).cmp(&(rank(b), &b.path, b.line, &b.code)));
    Ok(findings)
}
