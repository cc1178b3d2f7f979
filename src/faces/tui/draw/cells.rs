//! Rows of cells: each text is cut to its column by display width, with an ellipsis.

use std::time::Duration;

use chrono::{DateTime, Local};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Span;

use crate::base::Stamp;
use crate::base::time::duration;

/// A cell that takes what the others leave.
pub const REST: u16 = 0;
/// Between two cells, in columns.
const GAP: u16 = 1;

pub struct Cell {
    text: String,
    width: u16,
    style: Style,
    is_right: bool,
}

/// A cell on the left of its column.
pub fn left(text: impl Into<String>, width: u16, style: Style) -> Cell {
    Cell { text: text.into(), width, style, is_right: false }
}

/// A cell on the right of its column, as numbers are.
pub fn right(text: impl Into<String>, width: u16, style: Style) -> Cell {
    Cell { text: text.into(), width, style, is_right: true }
}

/// Puts a row into the first line of `area`, as far as the screen has it.
pub fn row(buffer: &mut Buffer, area: Rect, cells: Vec<Cell>) {
    let area = area.intersection(buffer.area);
    let gaps = GAP * (cells.len().saturating_sub(1)) as u16;
    let fixed: u16 = cells.iter().map(|cell| cell.width).sum();
    let rest = area.width.saturating_sub(fixed + gaps);
    let mut x = area.x;
    for cell in cells {
        let width = if cell.width == REST { rest } else { cell.width };
        let width = width.min(area.right().saturating_sub(x));
        if width == 0 || area.height == 0 {
            continue;
        }
        let text = fit(&cell.text, width.into());
        let indent = if cell.is_right { width.saturating_sub(wide(&text) as u16) } else { 0 };
        buffer.set_stringn(x + indent, area.y, text, width.into(), cell.style);
        x += width + GAP;
    }
}

/// Columns that a text takes.
pub fn wide(text: &str) -> usize {
    Span::raw(text).width()
}

/// A text cut to at most `width` columns, with an ellipsis where something is missing.
pub fn fit(text: &str, width: usize) -> String {
    if wide(text) <= width {
        return text.to_owned();
    }
    let mut kept = String::new();
    for c in text.chars() {
        kept.push(c);
        if wide(&kept) + 1 > width {
            kept.pop();
            break;
        }
    }
    if width > 0 {
        kept.push('…');
    }
    kept
}

/// `950`, `12k`, `1.2M`.
pub fn count(n: u64) -> String {
    match n {
        0..1000 => n.to_string(),
        1000..999_500 => format!("{}k", (n + 500) / 1000),
        _ => format!("{:.1}M", n as f64 / 1_000_000.0),
    }
}

/// `$0.42`; empty when no agent told a cost.
pub fn money(cost: Option<f64>) -> String {
    cost.map(|cost| format!("${cost:.2}")).unwrap_or_default()
}

/// How long ago something was: `12m 05s`.
pub fn age(now: Stamp, since: Stamp) -> String {
    duration(now.since(since))
}

pub fn span(seconds: u64) -> String {
    duration(Duration::from_secs(seconds))
}

/// The local time of day.
pub fn clock(at: Stamp) -> String {
    local(at).format("%H:%M:%S").to_string()
}

/// The local time of today, or the day.
pub fn moment(at: Stamp, now: Stamp) -> String {
    let (at, now) = (local(at), local(now));
    let format = if at.date_naive() == now.date_naive() { "%H:%M:%S" } else { "%-d %b" };
    at.format(format).to_string()
}

fn local(at: Stamp) -> DateTime<Local> {
    DateTime::from_timestamp(at.unix(), 0).unwrap_or_default().with_timezone(&Local)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_characters_are_cut_whole() {
        assert_eq!(fit("日本語", 6), "日本語");
        assert_eq!(fit("日本語", 5), "日本…");
        assert_eq!(fit("日本語", 4), "日…");
        assert_eq!(fit("abc", 1), "…");
        assert_eq!(fit("abc", 0), "");
        let mut buffer = Buffer::empty(Rect::new(0, 0, 12, 1));
        row(&mut buffer, Rect::new(0, 0, 12, 1), vec![left("日本語", 5, Style::new()), right("7", 3, Style::new())]);
        let text: String = (0..12).map(|x| buffer[(x, 0)].symbol().to_owned()).collect();
        assert_eq!(wide(text.trim_end()), 9 + 2, "{text:?}");
        assert_eq!(buffer[(8, 0)].symbol(), "7");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!([0, 999, 1000, 12_400, 999_499, 1_250_000].map(count), ["0", "999", "1k", "12k", "999k", "1.2M"]);
        assert_eq!((money(Some(0.416)), money(None)), ("$0.42".to_owned(), String::new()));
    }
}
