//! Draws the state. Pure: the same state gives the same screen.

pub mod cells;
mod footer;
mod header;
mod help;
mod jobs;
pub mod layout;
mod list;
mod lists;
mod overview;
pub mod page;
mod problems;
mod review;
pub mod theme;

use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use self::layout::MIN;
use self::theme::Theme;
use super::state::{Prompt, Section, State};

/// Draws everything.
pub fn draw(state: &State, theme: Theme, frame: &mut Frame) {
    let area = frame.area();
    let buffer = frame.buffer_mut();
    if area.width < MIN.0 || area.height < MIN.1 {
        let line = |y: u16, text: String| (y < area.height).then_some((y, text));
        let lines = [
            line(0, format!("teof top needs {} columns and {} rows", MIN.0, MIN.1)),
            line(1, format!("this terminal has {} and {}", area.width, area.height)),
            line(2, "enlarge it, or q to quit".to_owned()),
        ];
        for (y, text) in lines.into_iter().flatten() {
            buffer.set_stringn(0, y, cells::fit(&text, area.width.into()), area.width.into(), theme.heading());
        }
        return;
    }
    let (top, body, bottom) = (
        Rect { height: 1, ..area },
        Rect { y: 1, height: area.height - 3, ..area },
        Rect { y: area.height - 2, height: 2, ..area },
    );
    header::draw(state, theme, buffer, top);
    match &state.page {
        Some(page) => page::draw(state, page, theme, buffer, body),
        None => board(state, theme, buffer),
    }
    footer::draw(state, theme, buffer, bottom);
    match &state.prompt {
        Some(Prompt::Help) => help::keys(theme, buffer, body),
        Some(Prompt::Refused(lines)) => help::boxed(buffer, body, "Refused", lines, theme.bad()),
        _ => {}
    }
}

fn board(state: &State, theme: Theme, buffer: &mut Buffer) {
    for part in layout::parts(state) {
        let area = Rect { x: 0, y: part.top, width: state.size.0, height: 1 + part.rows };
        let area = area.intersection(buffer.area);
        match part.section {
            Section::Problems => problems::draw(state, &part, theme, buffer, area),
            Section::Jobs => jobs::draw(state, &part, theme, buffer, area),
            Section::Review => review::draw(state, &part, theme, buffer, area),
            Section::Claims => lists::claims(state, &part, theme, buffer, area),
            Section::Events => lists::events(state, &part, theme, buffer, area),
        }
        list::more(state, &part, theme, buffer, area);
    }
}
