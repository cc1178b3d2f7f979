//! Prints a report on a terminal: sections with tables, cut to its width; empty sections are named in one line.

use crate::base::text;
use crate::cli::support::terminal::{Cell, Column, Meaning, Table, paint};
use crate::faces::documents::{self, Body, Report, Section, Tone};

/// How many entries of a section are shown. The other formats have them all.
const SHOWN: usize = 20;

pub fn render(report: &Report) -> String {
    let (empty, full): (Vec<&Section>, Vec<&Section>) =
        report.sections.iter().partition(|section| section.body.is_empty());
    let mut blocks: Vec<String> = full.into_iter().map(section).collect();
    let none: Vec<String> = empty.iter().map(|section| section.title.to_lowercase()).collect();
    if !none.is_empty() {
        blocks.push(paint(Meaning::Quiet, format!("None: {}", none.join(", "))));
    }
    blocks.join("\n\n")
}

fn section(section: &Section) -> String {
    let mut lines = vec![paint(Meaning::Heading, format!("{} ({})", section.title, section.body.len()))];
    match &section.body {
        Body::List(entries) => {
            lines.extend(entries.iter().take(SHOWN).map(|entry| format!("  {}", styled(entry))));
        }
        Body::Table { headings, rows } => {
            let columns = headings.iter().enumerate().map(|(at, heading)| column(heading, at));
            let mut table = Table::new(columns);
            rows.iter().take(SHOWN).for_each(|row| table.add(row.iter().map(cell)));
            lines.push(table.show());
        }
    }
    let more = section.body.len().saturating_sub(SHOWN);
    if more > 0 {
        lines.push(paint(Meaning::Quiet, format!("  and {more} more: teof dashboard --format md")));
    }
    lines.extend(section.note.iter().map(|note| paint(Meaning::Quiet, text::safe(note))));
    lines.join("\n")
}

/// The first column and states are never cut; what is last can be left out.
fn column(heading: &'static str, at: usize) -> Column {
    match heading {
        "SUMMARY" | "CHANGES" => Column::text(heading),
        "PLAN" if at == 0 => Column::text(heading),
        "PLAN" | "ACTOR" | "CHECKPOINT" | "NEWEST RECEIPT" | "CLAIMED" => Column::text(heading).optional(),
        _ => Column::word(heading),
    }
}

fn cell(cell: &documents::Cell) -> Cell {
    match meaning(cell.tone) {
        Some(meaning) => Cell::painted(meaning, &cell.text),
        None => Cell::new(&cell.text),
    }
}

fn styled(cell: &documents::Cell) -> String {
    let safe = text::safe(&cell.text);
    meaning(cell.tone).map_or(safe.clone(), |meaning| paint(meaning, safe))
}

fn meaning(tone: Tone) -> Option<Meaning> {
    match tone {
        Tone::Plain => None,
        Tone::Good => Some(Meaning::Good),
        Tone::Bad => Some(Meaning::Bad),
        Tone::Attention => Some(Meaning::Attention),
        Tone::Quiet => Some(Meaning::Quiet),
    }
}
