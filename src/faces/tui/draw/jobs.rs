//! The jobs: stage, time, tokens, cost, and what each does now.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::{Section, State};
use super::cells::{Cell, REST, age, count, left, money, right, row, span};
use super::layout::{Part, WIDE};
use super::list::{FIRST, entry, heading, mark, nothing};
use super::theme::Theme;
use crate::base::Stamp;
use crate::board::jobs::Job;

/// The width of a seat's name, in columns.
const SEAT: u16 = 10;

pub fn draw(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    let is_wide = area.width >= WIDE;
    let mut columns = vec![left("stage", 14, quiet), left("seat", SEAT, quiet), right("time", 8, quiet)];
    if is_wide {
        columns.push(right("tokens", 7, quiet));
    }
    columns.extend([
        right("cost", 7, quiet),
        left(format!(" {}{}", if is_wide { "title" } else { "title or reason" }, state.sort.name()), REST, quiet),
    ]);
    if is_wide {
        columns.push(left("does now", doing_width(area), quiet));
    }
    heading(state, Section::Jobs, columns, theme, buffer, area);
    if part.rows > 0 && state.len(Section::Jobs) == 0 {
        return nothing("none; give one: teof do \"…\", or start what waits: teof run", theme, buffer, area);
    }
    for (at, job) in state.jobs().into_iter().enumerate().skip(part.first) {
        let Some(place) = entry(area, part, at - part.first) else { return };
        let mut cells = vec![
            left(job.short.clone(), FIRST, theme.heading()),
            stage(job, state.now, theme),
            left(job.seat.clone(), SEAT, Style::new()),
            time(job, state.now, theme),
        ];
        if is_wide {
            cells.push(right(if job.tokens > 0 { count(job.tokens) } else { String::new() }, 7, Style::new()));
        }
        cells.push(right(money(job.cost_usd), 7, Style::new()));
        let (doing, style) = doing(job, state.now, theme);
        match (is_wide, part.row_height) {
            (true, _) => {
                cells.extend([
                    left(format!(" {}", job.title), REST, Style::new()),
                    left(doing, doing_width(area), style),
                ]);
            }
            (false, 1) if needs_word(job, state.now) => cells.push(left(format!(" {doing}"), REST, style)),
            _ => cells.push(left(format!(" {}", job.title), REST, Style::new())),
        }
        row(buffer, place, cells);
        if part.row_height == 2 && place.height == 2 {
            let (doing, style) = self::doing(job, state.now, theme);
            let below = Rect { y: place.y + 1, height: 1, ..place };
            row(buffer, below, vec![left("", FIRST, style), left(doing, REST, style)]);
        }
        mark(state, part, at, theme, buffer, place);
    }
}

fn doing_width(area: Rect) -> u16 {
    (area.width - 60 - SEAT) * 3 / 5
}

fn stage(job: &Job, now: Stamp, theme: Theme) -> Cell {
    let text = match (&job.stage, job.round) {
        (Some(stage), Some(round)) if job.is_running() && round > 1 => format!("{stage}, round {round}"),
        (Some(stage), _) if job.is_running() => stage.clone(),
        _ => job.label.to_owned(),
    };
    let style = match job.phase {
        "running" if job.stuck_seconds(now).is_some() => theme.attention(),
        "running" => theme.active(),
        "question" => theme.attention(),
        _ if job.is_unmerged => theme.attention(),
        "blocked" => theme.bad(),
        "done" => theme.good(),
        _ => theme.quiet(),
    };
    left(text, 14, style)
}

/// How long it runs; else since when it waits, is over, or has done nothing.
fn time(job: &Job, now: Stamp, theme: Theme) -> Cell {
    let (text, style) = match (job.stuck_seconds(now), job.elapsed_seconds, job.since) {
        (Some(quiet), ..) => (span(quiet), theme.attention()),
        (None, _, Some(since)) => (age(now, since), Style::new()),
        (None, Some(seconds), None) => (span(seconds), Style::new()),
        (None, None, None) => (String::new(), Style::new()),
    };
    right(text, 8, style)
}

/// Whether why it stands still matters more than what it is.
fn needs_word(job: &Job, now: Stamp) -> bool {
    (!job.is_running() && job.phase != "done") || job.stuck_seconds(now).is_some()
}

/// What it does now, or why it does nothing.
fn doing(job: &Job, now: Stamp, theme: Theme) -> (String, Style) {
    if job.stuck_seconds(now).is_some() {
        // Since when, the time says.
        let last = job.last_tool.clone().or_else(|| job.last_line.clone()).unwrap_or_default();
        return (format!("stuck, last: {last}"), theme.attention());
    }
    if job.phase == "question" {
        let asked = job.question.as_deref().or(job.reason.as_deref()).unwrap_or_default();
        let last = asked.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
        return (format!("asks: {last}"), theme.attention());
    }
    if !job.is_running() {
        let until = job.until.map(|until| format!("until {}; ", super::cells::clock(until))).unwrap_or_default();
        return (format!("{until}{}", job.reason.as_deref().unwrap_or_default()), theme.quiet());
    }
    let parts = [job.last_tool.clone(), job.last_line.clone()];
    (parts.into_iter().flatten().collect::<Vec<_>>().join(" · "), theme.quiet())
}
