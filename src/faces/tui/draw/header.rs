//! The first line: what the coordinator does, what was spent today, and the time.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::State;
use super::cells::{clock, count, fit, money, wide};
use super::theme::Theme;
use crate::base::text;
use crate::board::Snapshot;

/// The fewest columns in which a part is cut; with fewer it is left out.
const LEAST: usize = 20;

pub fn draw(state: &State, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let mut left =
        vec![(" teof".to_owned(), theme.heading()), (format!(" {}", fit(&state.project, 16)), theme.quiet())];
    let mut right = vec![(clock(state.now), theme.quiet())];
    let room = area.width.saturating_sub(1) as usize;
    if let Some(board) = &state.board {
        left.extend(standing(board, theme).into_iter().map(|(text, style)| (format!("  {text}"), style)));
        let sum = |parts: &[(String, Style)]| parts.iter().map(|(text, _)| wide(text)).sum::<usize>();
        let room = room.saturating_sub(sum(&left) + sum(&right) + 4);
        right.insert(0, (format!("{}  ", today(board, room)), Style::new()));
    }
    let mut x = area.x;
    let taken: usize = right.iter().map(|(text, _)| wide(text)).sum();
    for (text, style) in left {
        let left = room.saturating_sub(taken + 2 + x as usize);
        let is_long = wide(&text) > left;
        if is_long && left < LEAST {
            break;
        }
        x = buffer.set_stringn(x, area.y, fit(&text, left), left, style).0;
        if is_long {
            break;
        }
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
        _ if runtime.stopping => ("stopping".to_owned(), theme.attention()),
        (.., true) => ("paused".to_owned(), theme.attention()),
        _ => ("running".to_owned(), theme.good()),
    }];
    parts.extend(runtime.no_job_starts().map(|why| (why, theme.attention())));
    if runtime.breaker.open_since.is_some() {
        parts.push(("breaker open".to_owned(), theme.bad()));
    }
    parts.push((format!("{running} of {}", text::counted(runtime.slots, "slot")), Style::new()));
    if !runtime.queued.is_empty() {
        parts.push((format!("{} queued", runtime.queued.len()), theme.quiet()));
    }
    parts
}

/// `today $1.23 of $20.00, 45k tokens`, running jobs included. Where the room is too small for it, it is said shorter.
fn today(board: &Snapshot, room: usize) -> String {
    let (spent, budget) = (board.runtime.spent_today, board.runtime.budget);
    let limit = |is_set: bool, limit: String| if is_set { format!(" of {limit}") } else { String::new() };
    let of_tokens = limit(budget.day_tokens > 0, count(budget.day_tokens));
    let noun = if spent.tokens == 1 && of_tokens.is_empty() { "token" } else { "tokens" };
    let tokens = format!("{}{of_tokens} {noun}", count(spent.tokens));
    let Some(cost) = spent.cost_usd else { return format!("today {tokens}") };
    let cost = money(Some(cost));
    let of_cost = limit(budget.day_cost > 0.0, money(Some(budget.day_cost)));
    let forms = [
        format!("today {cost}{of_cost}, {tokens}"),
        format!("today {cost}{}, {tokens}", of_cost.trim_end_matches(".00")),
        format!("{cost}{}, {tokens}", of_cost.trim_end_matches(".00")),
    ];
    let fits = forms.iter().find(|form| wide(form) <= room);
    fits.cloned().unwrap_or_else(|| format!("{cost}, {} {noun}", count(spent.tokens)))
}
