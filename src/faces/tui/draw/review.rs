//! The review queue: what waits for a decision, and whether its checks passed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::{Section, State};
use super::cells::{REST, age, left, money, right, row, wide};
use super::layout::Part;
use super::list::{FIRST, entry, heading, mark, nothing};
use super::theme::Theme;
use crate::board::review::Reviewable;

pub fn draw(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    let width = checks_width(area);
    let columns = vec![
        left("checks", width, quiet),
        right("change", 9, quiet),
        right("cost", 6, quiet),
        right("waits", 7, quiet),
        left(" title", REST, quiet),
    ];
    heading(state, Section::Review, columns, theme, buffer, area);
    if part.rows > 0 && state.len(Section::Review) == 0 {
        return nothing("nothing waits for a decision", theme, buffer, area);
    }
    for (at, result) in state.review().into_iter().enumerate().skip(part.first) {
        let Some(place) = entry(area, part, at - part.first) else { return };
        let (checks, style) = (checks(result, width.into()), style(result, theme));
        let cells = vec![
            left(result.short.clone(), FIRST, theme.heading()),
            left(checks, width, style),
            right(format!("+{} -{}", result.added, result.removed), 9, Style::new()),
            right(money(result.cost_usd), 6, Style::new()),
            right(age(state.now, result.since), 7, Style::new()),
            left(format!(" {}", result.title), REST, Style::new()),
        ];
        row(buffer, place, cells);
        mark(state, part, at, theme, buffer, place);
    }
}

/// The width of what the checks say.
fn checks_width(area: Rect) -> u16 {
    26 + area.width.saturating_sub(80) / 2
}

/// Whether a result is safe to approve: its tests, and the gravest finding. Shorter where the room is too small for it.
fn checks(result: &Reviewable, room: usize) -> String {
    if result.altered.is_some() {
        return "altered".to_owned();
    }
    let tests = result.tests_said();
    // The word alone; a failed test is told in full.
    let short = if tests.ends_with("passed") { "passed" } else { &tests };
    let grade = if result.high_findings > 0 { "high: " } else { "" };
    let finding = result.finding.as_deref().filter(|_| result.findings() == 1).map(|one| format!("{grade}{one}"));
    let findings = finding.unwrap_or_else(|| result.findings_said());
    // A finding first: where the room ends, it is not the last to be read.
    let has_passed = result.tests > 0 && result.tests_passed == result.tests;
    let join = |tests: &str| match result.findings() > 0 && has_passed {
        true => format!("{findings}; {tests}"),
        false => format!("{tests}, {findings}"),
    };
    if wide(&join(&tests)) <= room { join(&tests) } else { join(short) }
}

fn style(result: &Reviewable, theme: Theme) -> Style {
    match () {
        () if result.altered.is_some() || result.tests_passed < result.tests || result.high_findings > 0 => theme.bad(),
        () if !result.is_passing => theme.attention(),
        () => theme.good(),
    }
}
