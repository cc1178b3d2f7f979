//! Finds logs that were altered or cut, or that lost a line of a chain.

use crate::base::Result;
use crate::guard::Finding;
use crate::guard::preflight::{self, Tree};
use crate::model::event::Severity;

/// Damage to the logs is `high`; a line that lacks a field, as other tools write them, is `low`.
///
/// # Errors
/// Never without a base.
pub fn broken(tree: &Tree) -> Result<Vec<Finding>> {
    let mut found = preflight::bus(tree, None)?.sorted().findings;
    for finding in &mut found {
        let severity = match finding.code.rsplit('.').next() {
            Some("field" | "time") => Severity::Low,
            // A run in progress names receipts before they arrive.
            Some("receipt") if finding.stops() => Severity::Medium,
            Some("receipt") => Severity::Low,
            Some("torn" | "unreadable" | "no_pointer") => Severity::Medium,
            Some("unfinished") => Severity::Low,
            _ => Severity::High,
        };
        finding.severity = severity.as_str().to_owned();
    }
    Ok(found)
}
