//! Checks append-only logs against a base: every line of the base must still exist.

use std::collections::HashSet;

use super::documents::stem;
use crate::guard::Finding;
use crate::guard::capped::Capped;
use crate::model::event::Severity;

/// Lines of the base's files that are in none of the current files; adjacent lines make one finding.
///
/// A log may have been sealed since, so lines may be in another file of the folder.
pub fn lost(base: &[(String, Vec<u8>)], now: &[Vec<u8>]) -> Vec<Finding> {
    let mut set = None;
    let mut found = Capped::per_file();
    for (path, bytes) in base {
        // The usual case: the file only grew.
        if now.iter().any(|file| file.starts_with(bytes) && (bytes.ends_with(b"\n") || bytes.is_empty())) {
            continue;
        }
        let set = set.get_or_insert_with(|| now.iter().flat_map(|file| lines(file)).collect::<HashSet<_>>());
        let gone = lines(bytes).zip(1_u64..).filter(|(line, _)| !line.is_empty() && !set.contains(line));
        found.extend(runs(gone.map(|(_, number)| number)).into_iter().map(|run| finding(path, run)));
    }
    found.into_findings()
}

/// Turns errors about lines that the base already has into warnings: an append-only log cannot be fixed, and one old
/// bad line must not fail every later run. An altered line stays an error.
pub fn forgive(findings: &mut [Finding], before: &[u8], now: &[u8]) {
    if !now.starts_with(before) {
        return;
    }
    let known = before.iter().filter(|b| **b == b'\n').count() as u64;
    for found in findings.iter_mut().filter(|found| found.line.is_some_and(|line| line <= known)) {
        if [".field", ".time", ".unreadable", ".receipt"].iter().any(|fault| found.code.ends_with(fault)) {
            found.severity = Severity::Low.as_str().to_owned();
        }
    }
}

fn lines(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    bytes.split(|b| *b == b'\n').map(<[u8]>::trim_ascii)
}

/// `1, 2, 3, 7` is `(1, 3), (7, 7)`.
fn runs(numbers: impl Iterator<Item = u64>) -> Vec<(u64, u64)> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for number in numbers {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == number => *last = number,
            _ => runs.push((number, number)),
        }
    }
    runs
}

fn finding(path: &str, (first, last): (u64, u64)) -> Finding {
    let which = if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
    let code = if stem(path) == "receipts" { "ledger.lost" } else { "log.lost" };
    Finding::high(code, path, format!("{which} of the base's file are missing; this log is append-only"))
        .at(first)
        .hint("merge the base, or restore the lines from git: teof bus restore")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gone(base: &str, now: &[&str]) -> Vec<(u64, String)> {
        let now: Vec<_> = now.iter().map(|text| text.as_bytes().to_vec()).collect();
        let found = lost(&[("_bus/events/events.jsonl".into(), base.into())], &now);
        found.into_iter().map(|found| (found.line.unwrap(), found.message)).collect()
    }

    #[test]
    fn growing_and_merging_and_sealing_lose_nothing() {
        assert_eq!(gone("a\nb\n", &["a\nb\nc\n"]), []);
        assert_eq!(gone("a\nb\n", &["c\nb\na\n"]), [], "a union merge may order anew");
        assert_eq!(gone("a\nb\n", &["c\n", "a\nb\n"]), [], "sealed into another file");
        assert_eq!(gone("a\nb", &["a\nb\n"]), []);
    }

    #[test]
    fn missing_lines_are_named_by_their_line_in_the_base() {
        let found = gone("a\nb\nc\nd\n", &["a\nd!\n"]);
        assert_eq!(found, [(2, "lines 2 to 4 of the base's file are missing; this log is append-only".to_owned())]);
        assert_eq!(gone("a\nb\n", &["a\nbb\n"]).len(), 1);
        assert_eq!(gone("a\n", &[]).len(), 1, "the whole file went");
        assert_eq!(gone("a\nb", &["a\nb…\n"]).len(), 1);
    }

    #[test]
    fn only_errors_on_lines_of_the_base_become_warnings() {
        let found = |code: &str, line| Finding::high(code, "f", "m").at(line);
        let mut findings = [found("message.field", 2), found("message.field", 3), found("event.altered", 1)];
        forgive(&mut findings, b"a\nb\n", b"a\nb\nc\n");
        let severities = findings.each_ref().map(|found| found.severity.as_str());
        assert_eq!(severities, ["low", "high", "high"]);
        forgive(&mut findings[1..], b"x\ny\nc\n", b"a\nb\nc\n");
        assert!(findings[1].stops(), "the base has other lines there");
    }

    proptest! {
        #[test]
        fn a_line_counts_as_lost_only_when_missing(base in "[ab\n]{0,12}", now in "[ab\n]{0,12}") {
            let there: HashSet<_> = now.lines().collect();
            let expected = base.lines().filter(|line| !line.is_empty()).any(|line| !there.contains(line));
            prop_assert_eq!(!gone(&base, &[&now]).is_empty(), expected);
        }
    }
}
