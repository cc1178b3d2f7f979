//! Checks messages: complete and dated; and each directive has its pointer, so that managers find it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;

use serde::Deserialize;

use super::documents::{shown, stem};
use crate::guard::Finding;
use crate::guard::preflight::lines;
use crate::guard::preflight::report::Report;
use crate::model::event::lenient;
use crate::model::message::{MANAGER_REPORT, MessageLine};

/// The threads whose directives need a pointer in `manager-report` (the playbook: directive_pointer).
const THREADS: &str = "BUS-COORD-";

/// The required fields, borrowed from the line.
#[derive(Debug, Deserialize)]
struct View<'a> {
    #[serde(borrow, default, deserialize_with = "lenient")]
    ts: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    from: Option<Cow<'a, str>>,
    #[serde(borrow, default, rename = "type", deserialize_with = "lenient")]
    kind: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    task_id: Option<Cow<'a, str>>,
    #[serde(borrow, default, deserialize_with = "lenient")]
    summary: Option<Cow<'a, str>>,
}

/// The directives of the channels read so far, and the pointers to them.
#[derive(Debug, Default)]
pub struct Directives {
    /// For each channel, file and line of its first directive.
    posted: BTreeMap<String, (String, u64)>,
    pointers: Vec<String>,
}

enum Kept {
    Directive,
    Pointer(String),
}

impl Directives {
    /// Reads one channel.
    pub fn read(&mut self, path: &str, log: impl io::Read, report: &mut Report) -> io::Result<()> {
        let channel = stem(path);
        let is_thread = channel.starts_with(THREADS);
        let is_report = channel == MANAGER_REPORT;
        let read = lines::read(path, log, "message.torn", |line, found| {
            let view = check(line, found)?;
            if is_thread && view.kind.as_deref() == Some("directive") {
                return Some(Kept::Directive);
            }
            is_report.then(|| pointer(line)).flatten().map(Kept::Pointer)
        })?;
        report.lines += read.lines;
        report.findings.extend(read.findings);
        for (line, kept) in read.kept {
            match kept {
                Kept::Pointer(to) => self.pointers.push(to),
                Kept::Directive => drop(self.posted.entry(channel.to_owned()).or_insert((path.to_owned(), line))),
            }
        }
        Ok(())
    }

    /// Directives without a pointer, which no manager would find.
    pub fn findings(self) -> Vec<Finding> {
        let lost = self.posted.into_iter().filter(|(channel, _)| !self.pointers.contains(channel));
        lost.map(|(channel, (path, line))| {
            let message =
                format!("the directive has no pointer in {MANAGER_REPORT} (meta.directive={})", shown(&channel));
            let hint = format!("post one: teof bus directive --task {} --summary \"…\"", shown(&channel));
            Finding::high("message.no_pointer", path, message).at(line).hint(hint)
        })
        .collect()
    }
}

/// `meta.directive` of a line; most lines do not contain the word.
fn pointer(line: &[u8]) -> Option<String> {
    const WORD: &[u8] = b"\"directive\"";
    if !line.windows(WORD.len()).any(|part| part == WORD) {
        return None;
    }
    MessageLine::parse(line)?.meta("directive")?.as_str().map(str::to_owned)
}

fn check<'a>(line: &'a [u8], found: &mut Vec<Finding>) -> Option<View<'a>> {
    let mut note = |code: &str, message: String, hint: &str| found.push(Finding::high(code, "", message).hint(hint));
    // A derived reader would accept an array as the fields in order.
    let parsed = match line.first() {
        Some(b'{') => serde_json::from_slice(line),
        _ => Err(serde::de::Error::custom("not a JSON object")),
    };
    let view: View = match parsed {
        Ok(view) => view,
        Err(e) => {
            note("message.unreadable", lines::not_an_object(&e), "restore the line from git");
            return None;
        }
    };
    let fields = [
        ("ts", &view.ts),
        ("from", &view.from),
        ("type", &view.kind),
        ("task_id", &view.task_id),
        ("summary", &view.summary),
    ];
    for (name, value) in fields {
        if value.as_ref().is_none_or(|value| value.trim().is_empty()) {
            let hint =
                "write messages with: teof bus message; existing lines stay, and only warn once the base has them";
            note("message.field", format!("{name} is missing or not a string"), hint);
        }
    }
    if let Some(ts) = view.ts.as_deref().filter(|ts| !ts.trim().is_empty() && !lines::is_time(ts)) {
        let message = format!("ts is {:?}, not a UTC time", shown(ts));
        note("message.time", message, "write messages with: teof bus message");
    }
    Some(view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(files: &[(&str, &str)]) -> Vec<(String, String, u64)> {
        let (mut directives, mut report) = (Directives::default(), Report::default());
        for (path, text) in files {
            directives.read(path, text.as_bytes(), &mut report).unwrap();
        }
        report.findings.extend(directives.findings());
        report.findings.into_iter().map(|f| (f.code, f.path.unwrap(), f.line.unwrap())).collect()
    }

    const LINE: &str = r#"{"from":"codex-1","meta":{"followups":["A"]},"summary":"s","task_id":"manager-report","ts":"2025-09-18T19:14:00Z","type":"summary"}"#;
    const REPORT: &str = "_bus/messages/manager-report.jsonl";
    const THREAD: &str = "_bus/messages/BUS-COORD-0002.jsonl";

    #[test]
    fn lines_without_a_task_are_named_each() {
        let without = LINE.replace(r#""task_id":"manager-report","#, "");
        let text = format!("{without}\n{LINE}\n{without}\n");
        let at = |line| ("message.field".to_owned(), REPORT.to_owned(), line);
        assert_eq!(found(&[(REPORT, &text)]), [at(1), at(3)]);
        let late = LINE.replace("2025-09", "2025-13");
        assert_eq!(found(&[(REPORT, &format!("{late}\n[\"x\"]\n"))])[0].0, "message.time");
        assert_eq!(found(&[(REPORT, &format!("{late}\n[\"x\"]\n"))])[1].0, "message.unreadable");
    }

    #[test]
    fn a_directive_needs_a_pointer_that_names_it() {
        let directive = format!("{LINE}\n{}\n", LINE.replace("\"summary\"}", "\"directive\"}"));
        let lost = ("message.no_pointer".to_owned(), THREAD.to_owned(), 2);
        assert_eq!(found(&[(THREAD, &directive)]), std::slice::from_ref(&lost));
        let pointer = |to: &str| LINE.replace(r#""followups":["A"]"#, &format!(r#""directive":"{to}""#)) + "\n";
        assert_eq!(found(&[(THREAD, &directive), (REPORT, &pointer("BUS-COORD-0001"))]), [lost]);
        assert_eq!(found(&[(THREAD, &directive), (REPORT, &pointer("BUS-COORD-0002"))]), []);
        assert_eq!(found(&[("_bus/messages/QUEUE-001.jsonl", &directive)]), [], "other threads need none");
    }

    proptest! {
        #[test]
        fn any_text_can_be_validated(text in "[{}\\[\\]\":,a-z\n]{0,80}") {
            found(&[(REPORT, &text), (THREAD, &text)]);
        }
    }
}
