//! The problems: the gravest first.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::{Section, State};
use super::cells::{REST, age, left, right, row};
use super::layout::{Part, WIDE};
use super::list::{entry, heading, mark, nothing};
use super::theme::Theme;
use crate::board::problems::Severity;

pub fn draw(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let is_wide = area.width >= WIDE;
    let mut columns = vec![left("", REST, Style::new()), right("since", 8, theme.quiet())];
    if is_wide {
        columns.push(left(" what helps", 36, theme.quiet()));
    }
    heading(state, Section::Problems, columns, theme, buffer, area);
    if part.rows > 0 && state.len(Section::Problems) == 0 {
        let text = if state.board.is_some() { "none: nothing needs you" } else { "reading the record …" };
        return nothing(text, theme, buffer, area);
    }
    for (at, problem) in state.problems().into_iter().enumerate().skip(part.first) {
        let Some(place) = entry(area, part, at - part.first) else { return };
        let (sign, style) = match problem.severity {
            Severity::High => ("!! ", theme.bad()),
            Severity::Medium => ("!  ", theme.attention()),
            Severity::Low => ("·  ", Style::new()),
        };
        let since = problem.since.map(|since| age(state.now, since)).unwrap_or_default();
        let mut cells = vec![left(format!("{sign}{}", problem.what), REST, style), right(since, 8, theme.quiet())];
        if is_wide {
            cells.push(left(format!(" {}", problem.command.as_deref().unwrap_or_default()), 36, theme.quiet()));
        }
        row(buffer, place, cells);
        mark(state, part, at, theme, buffer, place);
    }
}
