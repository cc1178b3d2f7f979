//! Prints the findings of preflight: for people, for programs, and as CI annotations.
//!
//! Text from files is data: it is escaped, so that it stays on its line and is not run as a command.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::base::text;
use crate::guard::{Finding, capped};
use crate::model::event::Severity;

/// How to print a report.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Human,
    Json,
    /// GitHub Actions workflow commands.
    Github,
}

/// What was read, and the findings.
#[derive(Debug, Default)]
pub struct Report {
    pub files: usize,
    /// Lines of logs.
    pub lines: u64,
    pub findings: Vec<Finding>,
}

/// What `teof preflight --json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Document<'a> {
    errors: u64,
    warnings: u64,
    files: usize,
    /// Lines of logs.
    lines: u64,
    findings: Vec<Told<'a>>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Told<'a> {
    file: Option<&'a str>,
    line: Option<u64>,
    code: &'a str,
    /// `error` or `warning`.
    level: &'static str,
    message: String,
    hint: Option<&'a str>,
}

impl Told<'_> {
    fn of(found: &Finding) -> Told<'_> {
        Told {
            file: found.path.as_deref(),
            line: found.line,
            code: &found.code,
            level: level(found),
            message: found.describe(),
            hint: found.hint.as_deref(),
        }
    }
}

impl Report {
    /// Sorts by file and line, removes duplicates, and gives each finding a line and a hint.
    pub fn sorted(mut self) -> Report {
        for found in &mut self.findings {
            found.line.get_or_insert(1);
            found.hint.get_or_insert_with(|| "fix it by hand or restore the file from git".to_owned());
        }
        self.findings.sort_by(|a, b| key(a).cmp(&key(b)));
        self.findings.dedup();
        self.findings = capped::per_code(self.findings);
        self.findings.sort_by(|a, b| key(a).cmp(&key(b)));
        self
    }

    /// The number of errors, including those not listed.
    pub fn errors(&self) -> u64 {
        self.count(is_error)
    }

    pub fn warnings(&self) -> u64 {
        self.count(|found| !is_error(found))
    }

    fn count(&self, of: impl Fn(&Finding) -> bool) -> u64 {
        self.findings.iter().filter(|found| of(found)).map(|found| 1 + found.more).sum()
    }

    /// The text for stdout; empty without findings.
    pub fn show(&self, format: Format) -> String {
        match format {
            Format::Json => crate::base::json::printable(crate::base::json::pretty(&self.document())),
            Format::Human => self.findings.iter().map(human).collect::<Vec<_>>().join("\n"),
            Format::Github => self.findings.iter().map(github).collect::<Vec<_>>().join("\n"),
        }
    }

    pub fn document(&self) -> Document<'_> {
        Document {
            errors: self.errors(),
            warnings: self.warnings(),
            files: self.files,
            lines: self.lines,
            findings: self.findings.iter().map(Told::of).collect(),
        }
    }
}

impl fmt::Display for Report {
    /// The summary line for stderr.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (errors, warnings) = (self.errors(), self.warnings());
        write!(
            f,
            "{}, {} in {} and {}",
            text::counted(errors, "error"),
            text::counted(warnings, "warning"),
            text::counted(self.files, "file"),
            text::counted(self.lines, "log line")
        )
    }
}

fn key(found: &Finding) -> (&str, u64, &str, &str) {
    (found.path.as_deref().unwrap_or_default(), found.line.unwrap_or_default(), &found.code, &found.message)
}

/// Every severity except low is an error.
fn is_error(found: &Finding) -> bool {
    found.severity != Severity::Low.as_str()
}

fn level(found: &Finding) -> &'static str {
    if is_error(found) { "error" } else { "warning" }
}

fn human(found: &Finding) -> String {
    let place = format!("{}:{}", found.path.as_deref().unwrap_or("."), found.line.unwrap_or(1));
    let line = format!("{place}: {} [{}] {}", level(found), found.code, found.describe());
    let hint = found.hint.as_deref().map(|hint| format!("\n    {}", text::safe(hint))).unwrap_or_default();
    text::safe(&line) + &hint
}

/// `::error file=…,line=…,title=…::…`
fn github(found: &Finding) -> String {
    let message = match &found.hint {
        Some(hint) => format!("{} ({hint})", found.message),
        None => found.message.clone(),
    };
    format!(
        "::{} file={},line={},title={}::{}",
        level(found),
        property(found.path.as_deref().unwrap_or_default()),
        found.line.unwrap_or(1),
        property(&found.code),
        data(&message)
    )
}

/// Escapes a value for a workflow command: the runner splits the line first, then unescapes.
fn data(value: &str) -> String {
    text::safe(value).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(value: &str) -> String {
    data(value).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn report(path: &str, message: &str) -> Report {
        let findings = vec![Finding::high("a.b", path, message), Finding::low("c.d", "z", "w").at(3).hint("h")];
        Report { files: 2, lines: 0, findings }.sorted()
    }

    #[test]
    fn every_finding_has_file_line_code_message_and_hint() {
        let report = report("f.json", "bad");
        assert_eq!((report.errors(), report.warnings()), (1, 1));
        for found in serde_json::json!(report.document())["findings"].as_array().unwrap() {
            for key in ["file", "line", "code", "level", "message", "hint"] {
                assert!(!found[key].is_null(), "{key}: {found}");
            }
        }
        let human = report.show(Format::Human);
        assert!(human.starts_with("f.json:1: error [a.b] bad\n    fix it"), "{human}");
        assert!(human.ends_with("z:3: warning [c.d] w\n    h"));
    }

    #[test]
    fn an_annotation_is_one_command_whatever_the_text() {
        let report = report("a,b:c%.json", "x\n::set-env name=PATH::/tmp\r\n100% \u{1b}[31m");
        let shown = report.show(Format::Github);
        let first = shown.lines().next().unwrap();
        assert_eq!(shown.lines().count(), 2);
        assert!(first.starts_with("::error file=a%2Cb%3Ac%25.json,line=1,title=a.b::x ::set-env"), "{first}");
        assert!(first.contains("100%25 ␛[31m"), "{first}");
    }

    proptest! {
        #[test]
        fn quoted_text_cannot_leave_its_quotation(path in "\\PC{0,20}|[\\x00-\\x7f]{0,20}", message in "(?s).{0,60}") {
            let report = report(&path, &message);
            for format in [Format::Github, Format::Human] {
                for line in report.show(format).lines() {
                    prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
                }
            }
            let github = report.show(Format::Github);
            prop_assert_eq!(github.lines().count(), 2);
            // Split as the runner does: the first `::` after the name ends the properties.
            for line in github.lines() {
                let (properties, _) = line[2..].split_once("::").unwrap();
                let (name, properties) = properties.split_once(' ').unwrap();
                prop_assert!(name == "error" || name == "warning");
                prop_assert_eq!(properties.split(',').count(), 3);
            }
        }
    }
}
