//! The first line: what the coordinator does, what was spent today, and the time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::State;
use super::cells::{clock, count, fit, money, wide};
use super::layout::WIDE;
use super::theme::Theme;
use crate::base::text;
use crate::board::Snapshot;

pub fn draw(state: &State, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let mut left =
        vec![(" teof".to_owned(), theme.heading()), (format!(" {}", fit(&state.project, 16)), theme.quiet())];
    let mut right = vec![(clock(state.now), theme.quiet())];
    if let Some(board) = &state.board {
        left.extend(standing(board, theme).into_iter().map(|(text, style)| (format!("  {text}"), style)));
        right.insert(0, (format!("{}  ", today(board, area.width >= WIDE)), Style::new()));
    }
    let mut x = area.x;
    let room = area.width.saturating_sub(2) as usize;
    let taken: usize = right.iter().map(|(text, _)| wide(text)).sum();
    for (text, style) in left {
        let left = room.saturating_sub(taken + 2 + x as usize);
        if wide(&text) > left {
            break;
        }
        x = buffer.set_stringn(x, area.y, &text, left, style).0;
    }
    let mut x = area.right().saturating_sub(taken as u16 + 1).max(x);
    for (text, style) in right {
        x = buffer.set_stringn(x, area.y, text, area.right().saturating_sub(x).into(), style).0;
    }
}

/// Whether jobs run, and if not, why.
fn standing(board: &Snapshot, theme: Theme) -> Vec<(String, Style)> {
    let runtime = &board.runtime;
    let running = board.jobs.iter().filter(|job| job.is_running()).count();
    let mut parts = vec![match (runtime.running, runtime.stuck.is_some(), runtime.paused.is_some()) {
        (false, ..) => ("not running".to_owned(), theme.attention()),
        (_, true, _) => ("stuck".to_owned(), theme.bad()),
        (.., true) => ("paused".to_owned(), theme.attention()),
        _ => ("running".to_owned(), theme.good()),
    }];
    if runtime.breaker.open_since.is_some() {
        parts.push(("breaker open".to_owned(), theme.bad()));
    }
    parts.push((format!("{running} of {} workers busy", runtime.slots), Style::new()));
    if !runtime.queued.is_empty() {
        parts.push((format!("{} queued", runtime.queued.len()), theme.quiet()));
    }
    parts
}

/// `today $1.23 of $20.00, 45k tokens`; the tokens only where there is room, or no cost is known.
fn today(board: &Snapshot, is_wide: bool) -> String {
    let (spent, budget) = (board.runtime.spent_today, board.runtime.budget);
    let mut parts = Vec::new();
    if let Some(cost) = spent.cost_usd {
        let of = if budget.day_cost > 0.0 { format!(" of ${:.2}", budget.day_cost) } else { String::new() };
        parts.push(format!("{}{of}", money(Some(cost))));
    }
    if !is_wide && !parts.is_empty() && budget.day_tokens == 0 {
        return format!("today {}", parts.join(", "));
    }
    let of = if budget.day_tokens > 0 { format!(" of {}", count(budget.day_tokens)) } else { String::new() };
    let noun = text::counted(spent.tokens, "token").rsplit(' ').next().unwrap_or_default().to_owned();
    parts.push(format!("{}{of} {noun}", count(spent.tokens)));
    format!("today {}", parts.join(", "))
}
