//! What the lists of the board share: headings, rows, and the mark of the selected one.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::{Section, State};
use super::cells::{Cell, REST, left, row};
use super::layout::Part;
use super::theme::Theme;

/// The heading of a list: its name, how many entries it has, and the names of its columns.
pub fn heading(state: &State, section: Section, columns: Vec<Cell>, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let len = state.len(section);
    let style = if state.section == section { theme.active().patch(theme.heading()) } else { theme.heading() };
    let title = if len == 0 { section.title().to_owned() } else { format!("{} {len}", section.title()) };
    let mut cells = vec![left(title, FIRST, style)];
    cells.extend(columns);
    row(buffer, Rect { x: 1, width: area.width.saturating_sub(2), height: 1, ..area }, cells);
}

/// The width of the first column, which has the name of the list above it.
pub const FIRST: u16 = 11;

/// Where the entry of a list that is so far from its first shown one stands.
pub fn entry(area: Rect, part: &Part, at: usize) -> Option<Rect> {
    if at >= part.shown {
        return None;
    }
    let offset = u16::try_from(at).ok()?.checked_mul(part.row_height)?;
    let y = area.y + 1 + offset;
    let height = part.row_height.min(area.bottom().saturating_sub(y));
    (height > 0).then_some(Rect { x: 1, y, width: area.width.saturating_sub(2), height })
}

/// In the last row of a list that does not fit: how many entries are not shown.
pub fn more(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    if !part.is_cut || area.height == 0 {
        return;
    }
    let below = state.len(part.section).saturating_sub(part.first + part.shown);
    let counts = [(below, "more"), (part.first, "more above")];
    let said: Vec<_> = counts.iter().filter(|(n, _)| *n > 0).map(|(n, what)| format!("{n} {what}")).collect();
    let line = Rect { x: 1, y: area.bottom() - 1, width: area.width.saturating_sub(2), height: 1 };
    row(buffer, line, vec![left(said.join(", "), REST, theme.quiet())]);
}

/// Marks the selected row.
pub fn mark(state: &State, part: &Part, at: usize, theme: Theme, buffer: &mut Buffer, entry: Rect) {
    if state.section == part.section && state.at(part.section) == at && state.page.is_none() {
        let whole = Rect { x: 0, width: entry.width + 2, ..entry };
        for position in whole.intersection(buffer.area).positions() {
            buffer[position].set_style(Style::reset().patch(theme.selected()));
        }
    }
}

/// What an empty list says.
pub fn nothing(text: &str, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let line = Rect { x: 1, y: area.y + 1, width: area.width.saturating_sub(2), height: 1 };
    if line.y < area.bottom() {
        row(buffer, line, vec![left(text, REST, theme.quiet())]);
    }
}
