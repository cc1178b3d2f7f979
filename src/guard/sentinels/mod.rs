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
mod plans;
mod secrets;
pub mod watch;

use std::collections::HashSet;

pub use compare::{counts, fingerprint, new_since};

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
/// They look without a lock, so they may see a transaction that another process is in the middle of, or was
/// when it died: a high finding counts when it is still there after the lock was had once, because
/// that waits for the one and completes the other.
///
/// # Errors
/// Only when the record cannot be read at all.
pub fn scan(hub: &Hub) -> Result<Vec<Finding>> {
    scan_but(hub, &mut Clean::default())
}

/// Like [`scan`], without looking through the files that are known as clean.
fn scan_but(hub: &Hub, clean: &mut Clean) -> Result<Vec<Finding>> {
    let first = look(hub, clean)?;
    if !first.iter().any(Finding::stops) {
        return Ok(first);
    }
    if let Err(e) = hub.lock("scan") {
        // A hub that takes no writes changes no more: what is seen there stands.
        tracing::debug!("the scan is not repeated: {e:#}");
        return Ok(first);
    }
    let known: HashSet<_> = first.iter().map(fingerprint).collect();
    let mut again = look(hub, clean)?;
    again.retain(|found| !found.stops() || known.contains(&fingerprint(found)));
    Ok(again)
}

/// Like [`scan`], and remembers what was found: `scan --if-changed` shows it again, and the coordinator starts
/// nothing new while something of it is high. Files that are known as clean are not scanned for secrets.
///
/// # Errors
/// Like [`scan`]; when it cannot be remembered.
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
        let hint = "look at the branch; if it may stay as it is, a person says so: teof coordinator reset-breaker";
        Finding::high(moved_target::SCAN_CODE, "", moved.words()).hint(hint)
    }));
    findings.extend(receipts::verify::verify(&hub.root, true)?.findings);
    findings.extend(plans::invalid(hub, &tree)?);
    findings.extend(chains::broken(&tree)?);
    findings.extend(commitments::open(&tree));
    findings.extend(secrets::in_record(&hub.root, clean));
    let mut findings = capped::per_code(findings);
    let rank = |found: &Finding| std::cmp::Reverse(Severity::parse(&found.severity));
    findings.sort_by(|a, b| (rank(a), &a.path, a.line, &a.code).cmp(&(rank(b), &b.path, b.line, &b.code)));
    Ok(findings)
}
