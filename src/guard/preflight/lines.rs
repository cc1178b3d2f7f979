//! Reads the lines of a log on all processors, each with its number.

use std::io::{self, Read as _};

use crate::base::{parallel, text};
use crate::guard::Finding;
use crate::guard::capped::Capped;

/// Smaller blocks are read on one thread.
const WORTH_SPLITTING: usize = 1 << 20;
/// How much is read at once.
const BLOCK: u64 = 16 << 20;

/// The findings of a rule in a range of lines, and the values it keeps.
#[derive(Debug)]
pub(super) struct Read<T> {
    pub lines: u64,
    /// Numbered from the first line of the file; beyond the limit of a kind only counted.
    pub findings: Vec<Finding>,
    /// What the rule kept, with the line that it came from.
    pub kept: Vec<(u64, T)>,
}

/// Calls `rule` with every line that is not blank. Text after the last newline is not a line yet; when it does not
/// parse, a crash cut it, and the finding has the code `torn`.
///
/// Reads block by block, so that a log of any length costs the same memory.
pub(super) fn read<T: Send>(
    path: &str,
    mut source: impl io::Read,
    torn: &str,
    rule: impl Fn(&[u8], &mut Vec<Finding>) -> Option<T> + Sync,
) -> io::Result<Read<T>> {
    let mut all = Read { lines: 0, findings: Vec::new(), kept: Vec::new() };
    let mut found = Capped::per_file();
    // Bytes not checked yet; between blocks, the start of a line.
    let mut held = Vec::new();
    loop {
        let begun = held.len();
        let new = source.by_ref().take(BLOCK).read_to_end(&mut held)?;
        if let Some(at) = held[begun..].iter().rposition(|b| *b == b'\n') {
            let end = begun + at + 1;
            all.follow(&held[..end], &rule);
            found.extend(all.findings.drain(..));
            held.drain(..end);
        }
        if new == 0 {
            break;
        }
    }
    if !held.trim_ascii().is_empty() {
        all.lines += 1;
        found.push(unfinished(path, &held, torn).at(all.lines));
    }
    all.findings = found.into_findings();
    for found in &mut all.findings {
        found.path = Some(path.to_owned());
    }
    Ok(all)
}

impl<T: Send> Read<T> {
    /// Adds the next complete lines.
    fn follow(&mut self, lines: &[u8], rule: &(impl Fn(&[u8], &mut Vec<Finding>) -> Option<T> + Sync)) {
        let parts = if lines.len() < WORTH_SPLITTING { 1 } else { parallel::processors() };
        for mut part in parallel::map(&parallel::split_lines(lines, parts), |part| read_part(part, rule)) {
            let before = self.lines;
            part.findings.iter_mut().for_each(|found| found.line = found.line.map(|line| line + before));
            part.kept.iter_mut().for_each(|(line, _)| *line += before);
            self.lines += part.lines;
            self.findings.append(&mut part.findings);
            self.kept.append(&mut part.kept);
        }
    }
}

fn read_part<T>(part: &[u8], rule: &impl Fn(&[u8], &mut Vec<Finding>) -> Option<T>) -> Read<T> {
    let mut read = Read { lines: 0, findings: Vec::new(), kept: Vec::new() };
    let mut capped = Capped::per_file();
    for line in part.split_inclusive(|b| *b == b'\n') {
        read.lines += 1;
        let line = line.trim_ascii();
        if line.is_empty() {
            continue;
        }
        let kept = rule(line, &mut read.findings);
        capped.extend(read.findings.drain(..).map(|found| found.at(read.lines)));
        read.kept.extend(kept.map(|kept| (read.lines, kept)));
    }
    read.findings = capped.into_findings();
    read
}

fn unfinished(path: &str, tail: &[u8], torn: &str) -> Finding {
    let hint = "teof completes it with the next append; or restore the file from git";
    if serde_json::from_slice::<serde::de::IgnoredAny>(tail).is_ok() {
        return Finding::low("log.unfinished", path, "the last line has no newline, so readers skip it").hint(hint);
    }
    Finding::high(torn, path, "the last line was cut").hint(hint)
}

/// Why a line is not a JSON object. Only the column: the finding has the line number.
pub(super) fn not_an_object(error: &serde_json::Error) -> String {
    let why = text::safe(&error.to_string()).replace(" at line 1 column", " at column");
    if why.starts_with("not a JSON object") {
        "not a JSON object".to_owned()
    } else {
        format!("not a JSON object: {why}")
    }
}

/// Whether a text is a UTC time. The usual form is checked without a calendar.
pub(super) fn is_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    let number = |range: std::ops::Range<usize>| {
        bytes[range].iter().try_fold(0, |n: u32, b| b.is_ascii_digit().then(|| n * 10 + u32::from(b - b'0')))
    };
    if bytes.len() == 20 && bytes[19] == b'Z' && bytes[10] == b'T' {
        let date = (number(0..4), number(5..7), number(8..10));
        let time = (number(11..13), number(14..16), number(17..19));
        // Day 29 and later depend on the month, so they need the calendar.
        if let ((Some(_), Some(1..=12), Some(1..=28)), (Some(0..=23), Some(0..=59), Some(0..=59))) = (date, time) {
            return [bytes[4], bytes[7]] == *b"--" && [bytes[13], bytes[16]] == *b"::";
        }
    }
    crate::base::Stamp::parse(text).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use proptest::prelude::*;

    fn numbers(bytes: &[u8]) -> Vec<u64> {
        let rule = |line: &[u8], found: &mut Vec<Finding>| {
            found.push(Finding::high("x", "", String::from_utf8_lossy(line)));
            None::<()>
        };
        read("f", bytes, "torn", rule).unwrap().findings.iter().map(|found| found.line.unwrap()).collect()
    }

    #[test]
    fn lines_keep_their_numbers_across_threads() {
        assert_eq!(numbers(b"a\n\n b \n"), [1, 3]);
        let many = format!("{}\n", "x".repeat(199)).repeat(100_000);
        assert!(many.len() as u64 > BLOCK);
        let kept = read("f", many.as_bytes(), "torn", |_, _| Some(())).unwrap().kept;
        assert!(kept.into_iter().map(|(line, ())| line).eq(1..=100_000));
    }

    #[test]
    fn a_cut_tail_is_an_error_and_a_missing_newline_a_warning() {
        let found = |bytes: &[u8]| read("f", bytes, "event.torn", |_, _| None::<()>).unwrap().findings.pop().unwrap();
        assert_eq!((found(b"{}\n{\"a").code.as_str(), found(b"{}\n{\"a").line), ("event.torn", Some(2)));
        assert_eq!(found(b"{}").code, "log.unfinished");
        assert!(read("f", &b"{}\n \n"[..], "t", |_, _| None::<()>).unwrap().findings.is_empty());
    }

    proptest! {
        #[test]
        fn the_short_way_agrees_with_the_calendar(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z") {
            prop_assert_eq!(is_time(&text), Stamp::parse(&text).is_some());
        }

        #[test]
        fn any_text_is_a_time_or_not(text in "\\PC{0,24}") {
            prop_assert_eq!(is_time(&text), Stamp::parse(&text).is_some());
        }
    }
}
