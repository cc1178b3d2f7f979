//! Lists as tables that fit the terminal.
//!
//! On a terminal no row is wider than it: optional columns are left out first, then those that may go below a row do,
//! then the widest elastic columns are cut with an ellipsis. In a pipe or a file nothing is cut. Cells are made safe
//! before they are measured.

use tabled::Table as Grid;
use tabled::builder::Builder;
use tabled::settings::object::Columns;
use tabled::settings::peaker::Peaker;
use tabled::settings::width::Truncate;
use tabled::settings::{Alignment, Color, Padding, Style, Width};

use super::style::{self, Meaning};
use crate::base::text;

/// Columns between two cells.
const GAP: usize = 2;
/// An elastic column keeps this width while a wider one can be cut.
const COMFORTABLE: usize = 12;
/// Optional columns are left out until the other elastic ones have this width.
const ROOMY: usize = 28;

/// A column: its heading, and how it behaves when the terminal is narrow.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    heading: &'static str,
    is_number: bool,
    is_elastic: bool,
    is_optional: bool,
    goes_below: bool,
}

impl Column {
    /// A short word, such as a state or an id. It is never cut while another column can be.
    pub fn word(heading: &'static str) -> Column {
        Column { heading, is_number: false, is_elastic: false, is_optional: false, goes_below: false }
    }

    /// A number, aligned to the right.
    pub fn number(heading: &'static str) -> Column {
        Column { is_number: true, ..Column::word(heading) }
    }

    /// Text of any length, such as a title. It is cut to make the row fit.
    pub fn text(heading: &'static str) -> Column {
        Column { is_elastic: true, ..Column::word(heading) }
    }

    /// Leaves the column out where the terminal is too narrow, the last such column first.
    pub fn optional(self) -> Column {
        Column { is_optional: true, ..self }
    }

    /// Shows it whole: under each row where the terminal is too narrow. For commands and reasons.
    pub fn or_below(self) -> Column {
        Column { goes_below: true, ..self }
    }
}

/// Safe text on one line, and what it means.
#[derive(Clone, Debug, Default)]
pub struct Cell {
    text: String,
    meaning: Option<Meaning>,
}

impl Cell {
    /// Makes `text` safe.
    pub fn new(text: impl AsRef<str>) -> Cell {
        Cell { text: text::safe(text.as_ref()), meaning: None }
    }

    pub fn painted(meaning: Meaning, text: impl AsRef<str>) -> Cell {
        Cell { meaning: Some(meaning), ..Cell::new(text) }
    }
}

impl<T: AsRef<str>> From<T> for Cell {
    fn from(text: T) -> Cell {
        Cell::new(text)
    }
}

#[derive(Debug, Default)]
struct Row {
    cells: Vec<Cell>,
    /// Safe lines under the row.
    notes: Vec<String>,
}

/// Rows under headings. A column without any text is left out.
#[derive(Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Row>,
}

impl Table {
    pub fn new(columns: impl IntoIterator<Item = Column>) -> Table {
        Table { columns: columns.into_iter().collect(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        debug_assert_eq!(N, self.columns.len());
        self.rows.push(Row { cells: cells.into(), notes: Vec::new() });
    }

    /// Adds a row with a cell for each column, where their number is not known beforehand.
    pub fn add(&mut self, cells: impl Iterator<Item = Cell>) {
        let cells: Vec<Cell> = cells.collect();
        debug_assert_eq!(cells.len(), self.columns.len());
        self.rows.push(Row { cells, notes: Vec::new() });
    }

    /// Adds a safe line under the last row; it is wrapped, not cut, so that commands in it can be copied.
    pub fn note(&mut self, line: impl Into<String>) {
        if let Some(row) = self.rows.last_mut() {
            row.notes.push(line.into());
        }
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// As wide as the terminal that stdout is; uncut elsewhere.
    pub fn show(&self) -> String {
        self.render(style::columns())
    }

    fn render(&self, width: Option<usize>) -> String {
        let (shown, below) = self.shown(width);
        let grid = self.grid(&shown, width);
        let mut rows = self.rows.iter();
        let mut lines: Vec<String> = Vec::new();
        for (at, line) in grid.to_string().lines().enumerate() {
            lines.push(line.trim_end().to_owned());
            let Some(row) = (at > 0).then(|| rows.next()).flatten() else { continue };
            let moved = below.iter().map(|at| row.cells[*at].text.as_str()).filter(|text| !text.is_empty());
            lines.extend(moved.chain(row.notes.iter().map(String::as_str)).map(|note| wrap(note, width)));
        }
        lines.join("\n")
    }

    /// Which columns are shown: those with text, without the optional ones that do not fit; and which of the others are
    /// shown below each row.
    fn shown(&self, width: Option<usize>) -> (Vec<usize>, Vec<usize>) {
        let has_text = |at: &usize| self.rows.iter().any(|row| !row.cells[*at].text.is_empty());
        let mut shown: Vec<usize> = (0..self.columns.len()).filter(|at| self.rows.is_empty() || has_text(at)).collect();
        let least = |at: &usize| {
            let natural = self.natural_width(*at);
            match self.columns[*at] {
                Column { is_elastic: false, .. } | Column { goes_below: true, .. } => natural,
                Column { is_optional: true, .. } => natural.min(COMFORTABLE),
                Column { .. } => natural.min(ROOMY),
            }
        };
        let fits = |shown: &[usize]| {
            let gaps = GAP * shown.len().saturating_sub(1);
            width.is_none_or(|width| shown.iter().map(least).sum::<usize>() + gaps <= width)
        };
        while !fits(&shown) {
            let Some(last) = shown.iter().rposition(|at| self.columns[*at].is_optional) else { break };
            shown.remove(last);
        }
        let below: Vec<usize> = match fits(&shown) {
            true => Vec::new(),
            false => shown.iter().copied().filter(|at| self.columns[*at].goes_below).collect(),
        };
        shown.retain(|at| !below.contains(at));
        (shown, below)
    }

    fn natural_width(&self, at: usize) -> usize {
        let cells = self.rows.iter().map(|row| row.cells[at].text.as_str());
        cells.chain([self.columns[at].heading]).map(textwrap::core::display_width).max().unwrap_or(0)
    }

    fn grid(&self, shown: &[usize], width: Option<usize>) -> Grid {
        let mut builder = Builder::default();
        builder.push_record(shown.iter().map(|at| self.columns[*at].heading));
        for row in &self.rows {
            builder.push_record(shown.iter().map(|at| row.cells[*at].text.as_str()));
        }
        let mut grid = builder.build();
        grid.with(Style::empty()).with(Padding::new(0, GAP, 0, 0));
        grid.modify(Columns::last(), Padding::zero());
        if let Some(width) = width {
            let elastic = Elastic(shown.iter().map(|at| self.columns[*at]).collect());
            grid.with(Width::truncate(width).suffix("…").priority(elastic));
        }
        for (at, column) in shown.iter().enumerate() {
            if self.columns[*column].is_number {
                grid.modify(Columns::one(at), Alignment::right());
            }
            grid.modify((0, at), colour(Meaning::Heading));
            for (row, line) in self.rows.iter().enumerate() {
                if let Some(meaning) = line.cells[*column].meaning {
                    grid.modify((row + 1, at), colour(meaning));
                }
            }
        }
        grid
    }
}

fn colour(meaning: Meaning) -> Color {
    let style = meaning.style();
    Color::new(style.render().to_string(), style.render_reset().to_string())
}

/// Cuts optional elastic columns first, then the other elastic ones, the widest first; the rest only when none of them
/// is left to cut.
struct Elastic(Vec<Column>);

impl Peaker for Elastic {
    fn peak(&mut self, least: &[usize], widths: &[usize]) -> Option<usize> {
        let widest = |may: &dyn Fn(usize) -> bool| {
            let cuttable = |at: &usize| may(*at) && widths[*at] > least.get(*at).copied().unwrap_or(0).max(1);
            (0..widths.len()).filter(cuttable).max_by_key(|at| widths[*at])
        };
        let is_elastic = |at: usize| self.0[at].is_elastic && widths[at] > COMFORTABLE;
        widest(&|at| is_elastic(at) && self.0[at].is_optional)
            .or_else(|| widest(&is_elastic))
            .or_else(|| widest(&|_| true))
    }
}

/// At most `width` columns of a safe text, the last of them `…` when something was cut.
pub fn clip(text: &str, width: usize) -> String {
    match textwrap::core::display_width(text) > width {
        true => format!("{}…", Truncate::truncate(text, width.saturating_sub(1))),
        false => text.to_owned(),
    }
}

/// A safe line behind two spaces, wrapped between words to `width`; words are never cut.
fn wrap(line: &str, width: Option<usize>) -> String {
    let indent = format!("  {}", &line[..line.len() - line.trim_start().len()]);
    let Some(width) = width else { return format!("{indent}{}", line.trim_start()) };
    let options = textwrap::Options::new(width)
        .initial_indent(&indent)
        .subsequent_indent(&indent)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(line.trim_start(), options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tasks() -> Table {
        let mut table = Table::new([
            Column::word("STATE"),
            Column::number("N"),
            Column::text("TITLE"),
            Column::word("SEAT").optional(),
            Column::word("NOTHING"),
        ]);
        let title = "Document the parser of the settings, with an example of every table";
        table.row([Cell::painted(Meaning::Bad, "blocked"), "7".into(), title.into(), "worker-1".into(), "".into()]);
        table.note("  more: teof coordinator explain parser");
        table.row(["open".into(), "12".into(), "日本語\x1b[31m".into(), "".into(), "".into()]);
        table
    }

    fn shown(width: Option<usize>) -> Vec<String> {
        style::plain(&tasks().render(width)).lines().map(str::to_owned).collect()
    }

    #[test]
    fn an_unlimited_table_is_aligned_and_cuts_nothing() {
        let lines = shown(None);
        assert_eq!(lines[0], format!("STATE     N  {:<67}  SEAT", "TITLE"));
        let title = "Document the parser of the settings, with an example of every table";
        assert_eq!(lines[1], format!("blocked   7  {title}  worker-1"));
        assert_eq!(lines[2], "    more: teof coordinator explain parser");
        assert_eq!(lines[3], "open     12  日本語␛[31m");
    }

    #[test]
    fn a_narrow_table_cuts_text_then_leaves_out_optional_columns() {
        for width in [80, 60, 52] {
            let lines = shown(Some(width));
            assert!(lines.iter().all(|line| textwrap::core::display_width(line) <= width), "{width}: {lines:#?}");
            assert!(lines[1].starts_with("blocked   7  Document the"), "{lines:#?}");
            assert!(lines[1].contains('…') && lines[1].ends_with("worker-1"), "{lines:#?}");
        }
        let lines = shown(Some(30));
        assert!(!lines[0].contains("SEAT"), "{lines:#?}");
        assert_eq!(lines[1], "blocked   7  Document the par…");
        assert_eq!(lines[2..5].join("|"), "    more: teof coordinator|    explain parser|open     12  日本語␛[31m");
    }

    #[test]
    fn a_command_stands_below_its_row_where_it_does_not_fit_beside_it() {
        let mut table = Table::new([
            Column::word("JOB"),
            Column::word("STATE"),
            Column::text("TITLE"),
            Column::word("NEXT").or_below(),
        ]);
        table.row(["j1".into(), "needs review".into(), "Document the parser".into(), "teof review j1".into()]);
        table.row(["j2".into(), "running".into(), "Document the lexer of it".into(), "".into()]);
        let wide = table.render(Some(80));
        assert!(wide.lines().nth(1).unwrap().ends_with("teof review j1"), "{wide}");
        let narrow = style::plain(&table.render(Some(40))).into_owned();
        let lines: Vec<_> = narrow.lines().collect();
        assert_eq!(lines[1..3].join("|"), "j1   needs review  Document the parser|  teof review j1");
        assert!(lines.len() == 4 && lines[3].starts_with("j2   running       Document the"), "{narrow}");
        assert!(lines.iter().all(|line| textwrap::core::display_width(line) <= 40), "{narrow}");
    }

    #[test]
    fn states_are_painted() {
        let text = tasks().render(None);
        assert!(text.contains("\x1b[1m\x1b[31mblocked\x1b[0m"), "{text:?}");
    }
}
