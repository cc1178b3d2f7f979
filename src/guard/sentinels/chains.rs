//! Logs that were altered, cut, or lost a line of a chain.

use crate::guard::Finding;
use crate::guard::preflight::{Tree, bus_logs};
use crate::model::event::Severity;

/// What breaks trust in the logs is `high`; a line that lacks a field, as other tools write them, is `low`.
pub fn broken(tree: &Tree) -> Vec<Finding> {
    let mut found = bus_logs(tree);
    for finding in &mut found {
        let severity = match finding.code.rsplit('.').next() {
            Some("field" | "time") => Severity::Low,
            Some("torn" | "unreadable" | "no_pointer") => Severity::Medium,
            Some("unfinished") => Severity::Low,
            _ => Severity::High,
        };
        finding.severity = severity.as_str().to_owned();
    }
    found
}
