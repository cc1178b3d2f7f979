//! The claims and the event feed.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::super::state::{Section, State};
use super::cells::{REST, left, moment, right, row, span};
use super::layout::Part;
use super::list::{entry, heading, mark, nothing};
use super::theme::Theme;
use crate::board::claims::Claim;

pub fn claims(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    let (task, seat) = widths(area);
    let columns = vec![left("", task - 12, quiet), left("seat", seat, quiet), right("lease", LEASE, quiet)];
    heading(state, Section::Claims, columns, theme, buffer, area);
    if part.rows > 0 && state.len(Section::Claims) == 0 {
        return nothing("nobody holds a task", theme, buffer, area);
    }
    for (at, claim) in state.claims().into_iter().enumerate().skip(part.first) {
        let Some(place) = entry(area, part, at - part.first) else { return };
        let left_of_lease = claim.lease_left(state.now);
        let job = state.job_of(&claim.task);
        let (lease, style) = match left_of_lease {
            // Its lease is long, as it waits for a person.
            Some(0..) if job.is_some_and(|job| job.phase == "review") => ("held for review".to_owned(), theme.quiet()),
            Some(0..) if job.is_some_and(|job| job.phase == "question") => {
                ("held for answer".to_owned(), theme.quiet())
            }
            Some(left @ 0..) => (span(left.unsigned_abs()), Style::new()),
            Some(_) => ("over".to_owned(), theme.attention()),
            None => ("none".to_owned(), theme.quiet()),
        };
        let (note, note_style) = note(claim, theme);
        let cells = vec![
            left(job.map(|job| job.short.clone()).unwrap_or_default(), JOB, theme.heading()),
            left(claim.task.clone(), task - JOB - 1, Style::new()),
            left(claim.seat.clone().unwrap_or_default(), seat, Style::new()),
            right(lease, LEASE, style),
            left(format!(" {note}"), REST, note_style),
        ];
        row(buffer, place, cells);
        mark(state, part, at, theme, buffer, place);
    }
}

/// The widths of the job's id and of the lease, in columns.
const JOB: u16 = 4;
const LEASE: u16 = 15;

/// The widths of the job's id and task together, and of the seat.
fn widths(area: Rect) -> (u16, u16) {
    if area.width >= 100 { (34, 20) } else { (26, 12) }
}

fn note(claim: &Claim, theme: Theme) -> (String, Style) {
    match (&claim.hold, &claim.assigned_to) {
        (Some(hold), _) => (format!("on hold: {hold}"), theme.attention()),
        (None, Some(seat)) if claim.assigned_to != claim.seat => (format!("assigned to {seat}"), theme.attention()),
        _ => match &claim.editing {
            Some(paths) => (format!("edits {paths}"), theme.quiet()),
            None => (claim.branch.clone().unwrap_or_default(), theme.quiet()),
        },
    }
}

pub fn events(state: &State, part: &Part, theme: Theme, buffer: &mut Buffer, area: Rect) {
    let quiet = theme.quiet();
    heading(state, Section::Events, vec![left("newest first", REST, quiet)], theme, buffer, area);
    if part.rows > 0 && state.len(Section::Events) == 0 {
        return nothing("none yet", theme, buffer, area);
    }
    let is_wide = area.width >= 100;
    for (at, event) in state.events().into_iter().enumerate().skip(part.first) {
        let Some(place) = entry(area, part, at - part.first) else { return };
        let style = match (event.severity.as_deref(), event.event.as_str()) {
            (Some("high"), _) => theme.bad(),
            (Some("medium"), _) | (_, "blocked" | "alert") => theme.attention(),
            _ => Style::new(),
        };
        let cells = vec![
            left(event.at.map(|at| moment(at, state.now)).unwrap_or_default(), 8, quiet),
            left(event.seat.clone(), if is_wide { 18 } else { 11 }, Style::new()),
            left(event.event.clone(), 11, style),
            left(event.task.clone().unwrap_or_default(), if is_wide { 24 } else { 14 }, quiet),
            left(event.summary.clone(), REST, Style::new()),
        ];
        row(buffer, place, cells);
        mark(state, part, at, theme, buffer, place);
    }
}
