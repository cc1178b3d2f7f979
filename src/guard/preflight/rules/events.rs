//! Checks events: complete, dated, unaltered, and no line missing from an agent's chain.
//!
//! The log is a set of lines: identical lines count once, a fork of a chain is not a finding, and lines without an id
//! belong to other tools.

use std::io;

use crate::base::parallel;
use crate::guard::Finding;
use crate::guard::capped::Capped;
use crate::guard::preflight::lines;
use crate::guard::preflight::report::Report;
use crate::model::event::{EventView, Seal, check_seal};

/// The ids of all lines read so far, and the ids they name as predecessors.
#[derive(Debug, Default)]
pub struct Chain {
    ids: Vec<u64>,
    /// File (index into `files`), line, and the predecessor's id.
    prevs: Vec<(usize, u64, u64)>,
    files: Vec<String>,
}

/// The chain fields of a teof line.
struct Link {
    id: u64,
    prev: Option<u64>,
}

impl Chain {
    /// Reads one file of the log.
    pub fn read(&mut self, path: &str, log: impl io::Read, report: &mut Report) -> io::Result<()> {
        let read = lines::read(path, log, "event.torn", check)?;
        report.lines += read.lines;
        report.findings.extend(read.findings);
        let file = self.files.len();
        self.files.push(path.to_owned());
        for (line, link) in read.kept {
            self.ids.push(link.id);
            self.prevs.extend(link.prev.map(|prev| (file, line, prev)));
        }
        Ok(())
    }

    /// Lines whose predecessor is missing from all files.
    pub fn findings(mut self) -> Vec<Finding> {
        self.ids.sort_unstable();
        let gone = |prev: &u64| self.ids.binary_search(prev).is_err();
        let named = |(file, line, prev): &(usize, u64, u64)| {
            Finding::high("event.gap", &self.files[*file], format!("the previous line ({prev:016x}) is missing"))
                .at(*line)
                .hint("restore the log from git: teof bus restore")
        };
        let chunks: Vec<_> = self.prevs.chunks(1 << 16).collect();
        let found = parallel::map(&chunks, |prevs| {
            let mut capped = Capped::per_file();
            capped.extend(prevs.iter().filter(|(_, _, prev)| gone(prev)).map(named));
            capped.into_findings()
        });
        let mut capped = Capped::per_file();
        capped.extend(found.into_iter().flatten());
        capped.into_findings()
    }
}

/// Checks one line.
fn check(line: &[u8], found: &mut Vec<Finding>) -> Option<Link> {
    let mut note = |code: &str, message: String, hint: &str| found.push(Finding::high(code, "", message).hint(hint));
    let view = match EventView::parse(line) {
        Ok(view) => view,
        Err(e) => {
            note("event.unreadable", lines::not_an_object(&e), RESTORE);
            return None;
        }
    };
    for (name, value) in [("agent_id", &view.agent_id), ("event", &view.event), ("summary", &view.summary)] {
        if value.as_ref().is_none_or(|value| value.trim().is_empty()) {
            note("event.field", format!("{name} is missing or not a string"), FIELD);
        }
    }
    match view.ts.as_deref() {
        None => note("event.field", "ts is missing or not a string".into(), FIELD),
        Some(ts) if !lines::is_time(ts) => {
            note("event.time", format!("ts is {:?}, not a UTC time", super::documents::shown(ts)), FIELD);
        }
        Some(_) => {}
    }
    match check_seal(line) {
        Seal::Unchained if view.prev.is_some() => {
            note("event.altered", "the line chains to another, but has no id".into(), RESTORE);
            None
        }
        Seal::Unchained => None,
        Seal::Wrong(id) => {
            let message = format!("the line does not match its id {id}: it was altered");
            note("event.altered", message, RESTORE);
            None
        }
        Seal::Right(id) => Some(Link { id: number(id)?, prev: view.prev.as_deref().and_then(number) }),
    }
}

const FIELD: &str = "write events with: teof bus event; existing lines stay, and only warn once the base has them";

const RESTORE: &str = "restore the line from git: teof bus restore";

fn number(id: &str) -> Option<u64> {
    u64::from_str_radix(id, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::model::event::Event;
    use proptest::prelude::*;

    fn codes(files: &[&[u8]]) -> Vec<(String, u64)> {
        let (mut chain, mut report) = (Chain::default(), Report::default());
        for (i, bytes) in files.iter().enumerate() {
            chain.read(&format!("{i}.jsonl"), *bytes, &mut report).unwrap();
        }
        report.findings.extend(chain.findings());
        report.findings.into_iter().map(|found| (found.code, found.line.unwrap())).collect()
    }

    fn three() -> [Vec<u8>; 3] {
        let event = Event::new("codex-1", "status", "x");
        let (one, id) = event.line(Stamp::from_unix(0), None);
        let (two, next) = event.line(Stamp::from_unix(1), Some(&id));
        [one, two, event.line(Stamp::from_unix(2), Some(&next)).0]
    }

    #[test]
    fn other_tools_lines_need_their_fields_and_a_time() {
        let good = br#"{"ts":"1970-01-01T00:00:00Z","agent_id":"template","event":"init","summary":"s"}"#;
        let lines = [
            &good[..],
            br#"{"ts":"soon","agent_id":"a","event":"init","summary":"s"}"#,
            br#"{"ts":"2026-01-05T10:00:00+00:00","agent_id":7,"event":" ","summary":"s"}"#,
            b"{\"cut",
        ];
        let log = lines.join(&b'\n');
        let found = codes(&[&log, &[&good[..], b"\n", &log, b"\n"].concat()]);
        let expected = [("event.time", 2), ("event.field", 3), ("event.field", 3), ("event.torn", 4)]
            .iter()
            .chain(&[("event.time", 3), ("event.field", 4), ("event.field", 4), ("event.unreadable", 5)])
            .map(|(code, line)| ((*code).to_owned(), *line))
            .collect::<Vec<_>>();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_altered_line_and_a_gap_are_found_across_files() {
        let [one, two, three] = three();
        assert_eq!(codes(&[&[&three[..], &two].concat(), &one]), [], "order is no matter in a set");
        assert_eq!(codes(&[&one, &three]), [("event.gap".into(), 1)]);
        let altered = String::from_utf8(two.clone()).unwrap().replace("\"x\"", "\"y\"");
        let log = [&one[..], altered.as_bytes(), &three].concat();
        assert_eq!(codes(&[&log]), [("event.altered".into(), 2), ("event.gap".into(), 3)]);
    }

    proptest! {
        #[test]
        fn any_bytes_can_be_validated(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            codes(&[&bytes]);
        }

        #[test]
        fn every_changed_byte_of_a_sealed_log_is_found(at in 0_usize..400, to in any::<u8>()) {
            let log = three().concat();
            let at = at % log.len();
            let mut changed = log.clone();
            changed[at] = to;
            prop_assert_eq!(codes(&[&changed]).is_empty(), changed == log, "byte {} to {}", at, to);
        }
    }
}
