//! Sentinels: what has gone wrong in the record while nobody looked.
//!
//! Each looks at one thing, reads and writes nothing. `high` findings are damage or danger (a broken
//! chain, an altered receipt, a secret): `teof scan` exits with 1, and one that is new opens the
//! breaker. `medium` ones wait for a person (stale claims, invalid plans), `low` ones are worth a look.

mod chains;
mod claims;
mod commitments;
mod plans;
mod secrets;
pub mod watch;

use std::collections::{HashMap, HashSet};

use super::moved_target;
use super::preflight::{self, Tree};
use super::{Finding, capped};
use crate::base::{Result, digest};
use crate::hub::Hub;
use crate::model::event::Severity;
use crate::receipts;

/// Runs all of them over the hub's record: worst first, then by file and line.
///
/// They look without a lock, so they may see an act that another process is in the middle of, or was
/// when it died: a high finding counts when it is still there after the lock was had once, because
/// that waits for the one and completes the other.
///
/// # Errors
/// Only when the record cannot be read at all.
pub fn scan(hub: &Hub) -> Result<Vec<Finding>> {
    let first = look(hub)?;
    if !first.iter().any(Finding::stops) {
        return Ok(first);
    }
    if let Err(e) = hub.lock("scan") {
        // A hub that takes no writes changes no more: what is seen there stands.
        tracing::debug!("the scan is not repeated: {e:#}");
        return Ok(first);
    }
    let known: HashSet<_> = first.iter().map(fingerprint).collect();
    let mut again = look(hub)?;
    again.retain(|found| !found.stops() || known.contains(&fingerprint(found)));
    Ok(again)
}

/// Like [`scan`], and remembers what was found: `scan --if-changed` shows it again, and the coordinator starts
/// nothing new while something of it is high.
///
/// # Errors
/// As [`scan`]; when it cannot be remembered.
pub fn scan_and_remember(hub: &Hub, prefixes: &[String]) -> Result<Vec<Finding>> {
    let state = watch::state(&hub.root, prefixes);
    let findings = scan(hub)?;
    watch::remember(hub, prefixes, state, &findings)?;
    Ok(findings)
}

fn look(hub: &Hub) -> Result<Vec<Finding>> {
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
    findings.extend(secrets::in_record(&hub.root));
    let mut findings = capped::per_code(findings);
    let rank = |found: &Finding| std::cmp::Reverse(Severity::parse(&found.severity));
    findings.sort_by(|a, b| (rank(a), &a.path, a.line, &a.code).cmp(&(rank(b), &b.path, b.line, &b.code)));
    Ok(findings)
}

/// What stays the same about a finding while the file around it changes: 16 hex digits.
///
/// No sentinel's message holds a time or an age, so that an old finding never looks new.
pub fn fingerprint(found: &Finding) -> String {
    let text = format!("{}\0{}\0{}", found.code, found.path.as_deref().unwrap_or_default(), found.message);
    digest::sha256(text.as_bytes())[..16].to_owned()
}

/// What a scan found that the one before had not: only these count for the breaker. Where several
/// findings look alike, the number counts.
pub fn new_since<'a>(before: &[Finding], after: &'a [Finding]) -> Vec<&'a Finding> {
    let mut known: HashMap<String, usize> = HashMap::new();
    for found in before {
        *known.entry(fingerprint(found)).or_default() += 1;
    }
    let is_new = |found: &&Finding| match known.get_mut(&fingerprint(found)) {
        Some(left) if *left > 0 => {
            *left -= 1;
            false
        }
        _ => true,
    };
    after.iter().filter(is_new).collect()
}

/// How many findings of each severity: high, medium, low.
pub fn counts(findings: &[Finding]) -> [(&'static str, u64); 3] {
    [Severity::High, Severity::Medium, Severity::Low].map(|severity| {
        let name = severity.as_str();
        (name, findings.iter().filter(|found| found.severity == name).map(|found| 1 + found.more).sum())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_not_there_before_is_new() {
        let at = |line| Finding::high("secret.in_receipt", "_report/a.txt", "looks like a secret (jwt)").at(line);
        let other = Finding::medium("claim.stale", "_bus/claims/A.json", "m");
        let before = [at(3), at(9), other.clone()];
        assert_eq!(new_since(&before, &[at(5), at(11), other.clone()]), [] as [&Finding; 0], "lines moved");
        assert_eq!(new_since(&before, &[at(3), at(9), at(12)]), [&at(12)], "one more of the same");
        assert_eq!(new_since(&[], std::slice::from_ref(&other)), [&other]);
        assert_eq!(fingerprint(&at(1)), fingerprint(&at(2)));
        assert_ne!(fingerprint(&at(1)), fingerprint(&other));
    }
}
