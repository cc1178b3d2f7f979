//! Writes a report as Markdown. Text from others cannot act as Markdown or HTML.

use std::fmt::Write as _;

use super::report::{Body, Cell, Report, Section};
use crate::base::text;

/// The document, with a final newline.
pub fn render(report: &Report) -> String {
    let mut out = format!("# {}\n\nGenerated at {}\n", report.title, report.generated_at);
    report.sections.iter().for_each(|section| write_section(&mut out, section));
    out
}

fn write_section(out: &mut String, section: &Section) {
    let _ = write!(out, "\n## {}\n\n", section.title);
    match &section.body {
        body if body.is_empty() => out.push_str("- none\n"),
        Body::List(entries) => entries.iter().for_each(|entry| {
            let _ = writeln!(out, "- {}", escape(&entry.text));
        }),
        Body::Table { headings, rows } => {
            let rule: Vec<&str> = headings.iter().map(|_| "---").collect();
            let headings: Vec<String> = headings.iter().map(|heading| sentence(heading)).collect();
            let _ = writeln!(out, "| {} |\n| {} |", headings.join(" | "), rule.join(" | "));
            for row in rows {
                let cells: Vec<String> = row.iter().map(cell).collect();
                let _ = writeln!(out, "| {} |", cells.join(" | "));
            }
        }
    }
    if let Some(note) = &section.note {
        let _ = writeln!(out, "\n{}", escape(note));
    }
}

/// An empty cell is a dash, so that every renderer shows the table.
fn cell(cell: &Cell) -> String {
    if cell.text.is_empty() { "-".to_owned() } else { escape(&cell.text) }
}

/// `LEASE LEFT` as `Lease left`.
pub(super) fn sentence(heading: &str) -> String {
    let lower = heading.to_lowercase();
    let mut letters = lower.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().chain(letters).collect())
}

/// Text that stays text. Underscores inside words need no escape.
pub fn escape(said: &str) -> String {
    text::safe(said).chars().flat_map(|c| r"\`*[]<>#|!&~".contains(c).then_some('\\').into_iter().chain([c])).collect()
}
