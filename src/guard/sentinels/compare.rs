//! Compares and counts the findings of two scans.

use std::collections::HashMap;

use crate::base::digest;
use crate::guard::Finding;
use crate::model::event::Severity;

/// The identity of a finding, stable while the file around it changes: 16 hex digits.
///
/// Messages of sentinels contain no times or ages, so an old finding never looks new.
pub fn fingerprint(found: &Finding) -> String {
    let text = format!("{}\0{}\0{}", found.code, found.path.as_deref().unwrap_or_default(), found.message);
    digest::sha256(text.as_bytes())[..16].to_owned()
}

/// The findings that the previous scan did not have: only these count for the breaker. For identical findings the
/// number is compared.
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
    fn only_findings_missing_before_are_new() {
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
