//! Prints findings.

use super::terminal::{Meaning, paint};
use crate::base::text;
use crate::hub::Hub;
use crate::model::run::outcome::Finding;

/// `path:line: code: message (hint)`, on one line.
pub fn line(finding: &Finding) -> String {
    let hint = finding.hint.as_ref().map_or_else(String::new, |hint| format!(" ({})", text::safe(hint)));
    format!("{}{}: {}{hint}", place(finding), finding.code, text::safe(&finding.describe()))
}

/// `path:line: message`, on one line.
pub fn short_line(finding: &Finding) -> String {
    format!("{}{}", place(finding), text::safe(&finding.describe()))
}

fn place(finding: &Finding) -> String {
    match (&finding.path, finding.line) {
        (Some(path), Some(line)) => format!("{}:{line}: ", text::safe(path)),
        (Some(path), None) => format!("{}: ", text::safe(path)),
        (None, _) => String::new(),
    }
}

/// As [`line`], for a finding about a file of the record: with the path that opens it from the current folder.
pub fn of_record(hub: &Hub, finding: &Finding) -> String {
    let path = finding.path.as_ref().map(|path| hub.shown(path));
    line(&Finding { path, ..finding.clone() })
}

/// `severity: …`, coloured, before the finding's line.
pub fn with_severity(finding: &Finding, line: &str) -> String {
    let severity = text::safe(&finding.severity);
    let meaning = match severity.as_str() {
        "high" | "critical" => Meaning::Bad,
        "medium" => Meaning::Attention,
        _ => Meaning::Quiet,
    };
    format!("{}: {line}", paint(meaning, severity))
}
