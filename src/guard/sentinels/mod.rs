//! Sentinels: scans that find damage and neglect in the record.
//!
//! Each checks one thing and writes nothing. `high` findings are damage or danger (a broken chain, an altered
//! receipt, a secret): `teof scan` exits with 1, and a new one opens the breaker. `medium` findings wait for a
//! person (stale claims, invalid plans); `low` ones are hints.

mod chains;
mod claims;
mod clean;
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
pub use self::clean::Clean;
use super::moved_target;
use super::preflight::{self, Tree};
use super::{Finding, capped};
use crate::base::Result;
use crate::hub::Hub;
use crate::model::event::Severity;
use crate::receipts;

/// Runs all sentinels over the hub's record. Sorted: worst first, then by file and line.
///
/// They read without a lock, so they may see a transaction in progress, or one that a crash interrupted. A high
/// finding counts only if it is still there after taking the lock once, which waits for the one and completes the
/// other.
///
/// # Errors
/// Only when the record cannot be read at all.
pub fn scan(hub: &Hub) -> Result<Vec<Finding>> {
    scan_but(hub, &mut Clean::default())
}

/// Like [`scan`], but skips files known to be clean.
fn scan_but(hub: &Hub, clean: &mut Clean) -> Result<Vec<Finding>> {
    let first = look(hub, clean)?;
    if !first.iter().any(Finding::stops) {
        return Ok(first);
    }
    if let Err(e) = hub.lock("scan") {
        // A read-only hub does not change, so the first result stands.
        tracing::debug!("cannot repeat the scan: {e:#}");
        return Ok(first);
    }
    let known: HashSet<_> = first.iter().map(fingerprint).collect();
    let mut again = look(hub, clean)?;
    again.retain(|found| !found.stops() || known.contains(&fingerprint(found)));
    Ok(again)
}

/// Like [`scan`], and saves the findings: `scan --if-changed` shows them again, and the coordinator starts no new job
/// while one of them is high. Files known to be clean are not scanned for secrets.
///
/// # Errors
/// Like [`scan`]; also when the findings cannot be saved.
pub fn scan_and_remember(hub: &Hub, prefixes: &[String], clean: &mut Clean) -> Result<Vec<Finding>> {
    let state = watch::state(&hub.root, prefixes);
    let findings = scan_but(hub, clean)?;
    watch::remember(hub, prefixes, state, &findings)?;
    Ok(findings)
}

fn look(hub: &Hub, clean: &mut Clean) -> Result<Vec<Finding>> {
    let tree = Tree::open(&hub.worktree())?;
    let mut findings = claims::stale(hub)?;
    findings.extend(preflight::double_holds(&tree));
    findings.extend(preflight::cycles(&tree, Severity::Medium));
    findings.extend(moved_target::standing(hub)?.iter().map(|moved| {
        let hint = "check the branch; to accept it as it is, as a person: teof coordinator reset-breaker";
        Finding::high(moved_target::SCAN_CODE, "", moved.describe()).hint(hint)
    }));
    findings.extend(receipts::verify::verify(&hub.root, true)?.findings);
    findings.extend(plans::invalid(hub, &tree)?);
    findings.extend(chains::broken(&tree)?);
    findings.extend(seats::twins(hub)?);
    findings.extend(consensus::waiting(hub)?);
    findings.extend(commitments::open(&tree));
    findings.extend(secrets::in_record(&hub.root, clean));
    let mut findings = capped::per_code(findings);
    let rank = |found: &Finding| std::cmp::Reverse(Severity::parse(&found.severity));
    findings.sort_by(|a, b| (rank(a), &a.path, a.line, &a.code).cmp(&(rank(b), &b.path, b.line, &b.code)));
    Ok(findings)
}
