//! The page of a job: what it is and does, its log, its diff.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::super::state::text::Text;
use super::super::state::{JobPage, State, Tab, text_width};
use super::cells::{REST, fit, left, row};
use super::overview;
use super::theme::Theme;
use crate::coordinator::worker_log::{Said, said};

/// The header and the footer of the screen, the title, the tabs, and a line between.
const AROUND: u16 = 6;

pub fn draw(state: &State, page: &JobPage, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let line = |y: u16| Rect { x: 1, y: area.y + y, width: area.width.saturating_sub(2), height: 1 };
    let title = left(state.title(&page.id), REST, theme.heading());
    row(buffer, line(0), vec![left(state.short(&page.id), 6, theme.active().patch(theme.heading())), title]);
    let mut x = 1;
    for (at, tab) in Tab::ALL.into_iter().enumerate() {
        let name = format!(" {} {} ", at + 1, name(page, tab));
        let style = if page.tab == tab { theme.selected() } else { Style::new() };
        x = buffer.set_stringn(x, area.y + 1, name, area.width.into(), style).0 + 1;
    }
    let (rows, top) = (rows(state).min(area.height.saturating_sub(3).into()), top(state, page));
    for (at, text) in shown(state, page, theme, top).into_iter().take(rows).enumerate() {
        buffer.set_line(1, area.y + 3 + at as u16, &text, area.width.saturating_sub(2));
    }
    let below = last_top(state).saturating_sub(top);
    if below > 0 {
        let more = format!("{below} more below");
        let place = line(1);
        row(buffer, place, vec![left("", REST, Style::new()), super::cells::right(more, 20, theme.quiet())]);
    }
}

fn name(page: &JobPage, tab: Tab) -> &'static str {
    match tab {
        Tab::Overview => "Overview",
        Tab::Log if page.follows => "Log",
        Tab::Log => "Log (stopped)",
        Tab::Diff => "Diff",
    }
}

/// Rows for the content.
fn rows(state: &State) -> usize {
    usize::from(state.size.1.saturating_sub(AROUND)).max(1)
}

/// The first line that is shown.
fn top(state: &State, page: &JobPage) -> usize {
    let last = last_top(state);
    if page.tab == Tab::Log && page.follows { last } else { page.top[page.tab as usize].min(last) }
}

/// The first line that is shown at the end of the content.
pub fn last_top(state: &State) -> usize {
    let Some(page) = &state.page else { return 0 };
    let count = match page.tab {
        Tab::Log => page.detail.log.len(),
        Tab::Diff => page.detail.diff.as_ref().map_or(0, Text::len),
        Tab::Overview => overview::lines(state, page, Theme(super::theme::Colours::None)).len(),
    };
    count.saturating_sub(rows(state))
}

/// The lines from `top` on.
fn shown(state: &State, page: &JobPage, theme: Theme, top: usize) -> Vec<Line<'static>> {
    let rows = rows(state);
    let styled = |text: &Text, style: &dyn Fn(&str) -> Style| {
        let rows = text.rows(top).take(rows);
        rows.map(|(line, part)| Line::styled(part.to_owned(), style(line))).collect()
    };
    let quiet = |text: &str| vec![Line::styled(fit(text, text_width(state.size.0)), theme.quiet())];
    match page.tab {
        Tab::Overview => overview::lines(state, page, theme).into_iter().skip(top).collect(),
        Tab::Log if page.detail.log.len() == 0 => quiet("The log is empty so far."),
        Tab::Log => styled(&page.detail.log, &|line| log_style(line, theme)),
        Tab::Diff => match &page.detail.diff {
            Some(diff) if diff.len() == 0 => quiet("The result changes nothing."),
            Some(diff) => styled(diff, &|line| diff_style(line, theme)),
            None => {
                let why = page.detail.unreadable.as_deref();
                quiet(why.unwrap_or("Nothing to show yet: the diff is here when all stages have passed."))
            }
        },
    }
}

/// Stages stand out, details stand back, as `teof logs` has them.
fn log_style(line: &str, theme: Theme) -> Style {
    match said(line) {
        Said::RawOutput => theme.quiet(),
        Said::Passed(_) => theme.good(),
        Said::SentBack(_) => theme.attention(),
        _ if line.starts_with("  ") => Style::new(),
        _ => theme.heading(),
    }
}

/// Git's colours.
fn diff_style(line: &str, theme: Theme) -> Style {
    const HEADS: [&str; 6] = ["diff ", "index ", "+++ ", "--- ", "new file mode ", "deleted file mode "];
    match line.as_bytes().first() {
        _ if HEADS.iter().any(|head| line.starts_with(head)) => theme.heading(),
        Some(b'+') => theme.good(),
        Some(b'-') => theme.removed(),
        Some(b'@') => theme.active(),
        _ => Style::new(),
    }
}
