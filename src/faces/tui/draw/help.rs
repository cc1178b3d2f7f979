//! The help, and other boxes in the middle of the screen.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::widgets::{Block, Clear, Paragraph, Widget, Wrap};

use super::cells::{left, row};
use super::theme::Theme;

const KEYS: [(&str, &str, &str, &str); 9] = [
    ("↑ ↓  j k", "move", "a", "approve the result"),
    ("Tab", "next list, next tab", "r", "retry with a note"),
    ("Enter", "open the job", "x", "reject with a reason"),
    ("l  d", "its log, its diff", "w", "answer it, tell it"),
    ("Esc", "back, show all rows", "c", "cancel the job"),
    ("/", "show only some rows", "p", "pause, resume"),
    ("s", "sort the jobs", "n", "next file of a diff"),
    ("f", "finished jobs too", "q", "quit"),
    ("g G", "first, last row", "Ctrl-Z", "suspend"),
];

pub fn keys(theme: Theme, buffer: &mut Buffer, area: Rect) {
    let inner = frame(buffer, area, "Keys", (64, KEYS.len() as u16 + 4), theme.heading());
    for (at, (key, what, other, does)) in KEYS.iter().enumerate() {
        let line = Rect { y: inner.y + at as u16, height: 1, ..inner };
        if line.y >= inner.bottom() {
            return;
        }
        let bold = theme.heading();
        let cells = vec![
            left(*key, 9, bold),
            left(*what, 21, Style::new()),
            left(*other, 7, bold),
            left(*does, 22, Style::new()),
        ];
        row(buffer, line, cells);
    }
    let line = Rect { y: inner.y + KEYS.len() as u16 + 1, height: 1, ..inner };
    if line.y < inner.bottom() {
        row(buffer, line, vec![left("Decisions ask first, and say what happens.", 0, theme.quiet())]);
    }
}

/// Lines in a box; they are wrapped.
pub fn boxed(buffer: &mut Buffer, area: Rect, title: &str, lines: &[String], style: Style) {
    let width = area.width.saturating_sub(8).min(100);
    let text = lines.join("\n");
    let wrapped: usize = lines.iter().map(|line| 1 + super::cells::wide(line) / usize::from(width - 4)).sum();
    let inner = frame(buffer, area, title, (width, wrapped as u16 + 2), style);
    Paragraph::new(text).wrap(Wrap { trim: false }).render(inner, buffer);
}

/// An empty box in the middle; returns its inside.
fn frame(buffer: &mut Buffer, area: Rect, title: &str, size: (u16, u16), style: Style) -> Rect {
    let (width, height) = (size.0.min(area.width), size.1.min(area.height));
    let place = Rect { x: area.x + (area.width - width) / 2, y: area.y + (area.height - height) / 2, width, height };
    Clear.render(place, buffer);
    let block = Block::bordered().title(format!(" {title} ")).title_style(style);
    let inner = block.inner(place);
    block.render(place, buffer);
    Rect { x: inner.x + 1, width: inner.width.saturating_sub(2), ..inner }
}
