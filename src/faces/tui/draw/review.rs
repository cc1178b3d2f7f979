//! The review queue: what waits for a decision, and whether its checks passed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::{Section, State};
use super::cells::{REST, age, left, money, right, row};
use super::layout::Part;
use super::list::{FIRST, entry, heading, mark, nothing};
use super::theme::Theme;
use crate::base::text;
use crate::board::review::Reviewable;

pub fn draw(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    let columns = vec![
        left("checks", 20, quiet),
        right("change", 11, quiet),
        right("cost", 7, quiet),
        right("waits", 7, quiet),
        left(" title", REST, quiet),
    ];
    heading(state, Section::Review, columns, theme, buffer, area);
    if part.rows > 0 && state.len(Section::Review) == 0 {
        return nothing("nothing waits for a decision", theme, buffer, area);
    }
    for (at, result) in state.review().into_iter().enumerate().skip(part.first) {
        let Some(place) = entry(area, part, at - part.first) else { return };
        let (checks, style) = checks(result, theme);
        let cells = vec![
            left(result.short.clone(), FIRST, theme.heading()),
            left(checks, 20, style),
            right(format!("+{} -{}", result.added, result.removed), 11, Style::new()),
            right(money(result.cost_usd), 7, Style::new()),
            right(age(state.now, result.since), 7, Style::new()),
            left(format!(" {}", result.title), REST, Style::new()),
        ];
        row(buffer, place, cells);
        mark(state, part, at, theme, buffer, place);
    }
}

/// Whether a result is safe to approve, in a few words.
pub fn checks(result: &Reviewable, theme: Theme) -> (String, Style) {
    let failed = result.tests - result.tests_passed;
    match () {
        () if result.altered.is_some() => ("altered".to_owned(), theme.bad()),
        () if failed > 0 => (format!("{failed} of {} failed", text::counted(result.tests, "test")), theme.bad()),
        () if result.high_findings > 0 => (text::counted(result.high_findings, "high finding"), theme.bad()),
        () if result.tests == 0 => ("not tested".to_owned(), theme.attention()),
        () if !result.is_passing => (text::counted(result.other_findings, "finding"), theme.attention()),
        () if result.other_findings > 0 => {
            (format!("passed, {}", text::counted(result.other_findings, "note")), theme.good())
        }
        () => (format!("passed, {}", text::counted(result.tests, "test")), theme.good()),
    }
}
