//! Keys and clicks on the board.

use super::super::draw::layout;
use super::super::state::{Detail, Effect, JobPage, Key, Prompt, Said, Section, State, Tab};
use super::common::{everywhere, screenful};

pub fn key(state: &mut State, key: Key) -> Vec<Effect> {
    let at = state.at(state.section);
    match key {
        Key::Up | Key::Char('k') => up(state),
        Key::Down | Key::Char('j') => down(state),
        Key::PageUp => state.select(state.section, at.saturating_sub(screenful(state) / 2)),
        Key::PageDown => state.select(state.section, at + screenful(state) / 2),
        Key::Home | Key::Char('g') => state.select(state.section, 0),
        Key::End | Key::Char('G') => state.select(state.section, usize::MAX),
        Key::Tab => next(state, 1),
        Key::BackTab => next(state, Section::ALL.len() - 1),
        Key::Enter | Key::Right | Key::Char('o') => return open(state, Tab::Overview),
        Key::Char('l') => return open(state, Tab::Log),
        Key::Char('d') => return open(state, Tab::Diff),
        Key::Char('/') => state.prompt = Some(Prompt::Filter),
        Key::Esc => {
            state.filter.clear();
            state.follow_selection();
        }
        Key::Char('s') => {
            state.sort = state.sort.next();
            state.follow_selection();
            say(state, format!("Jobs are sorted: {}", state.sort.describe()));
        }
        Key::Char('f') => {
            state.shows_finished = !state.shows_finished;
            state.follow_selection();
            let shown = if state.shows_finished { "Finished jobs are shown" } else { "Finished jobs are hidden" };
            say(state, shown);
        }
        _ => return everywhere(state, key),
    }
    Vec::new()
}

fn say(state: &mut State, text: impl Into<String>) {
    state.said = Some(Said { text: text.into(), is_good: true });
}

/// The row above; above the first one, the last row of the list above.
fn up(state: &mut State) {
    let at = state.at(state.section);
    if at > 0 {
        return state.select(state.section, at - 1);
    }
    let above = &Section::ALL[..state.section as usize];
    if let Some(section) = above.iter().rev().find(|section| state.len(**section) > 0) {
        state.select(*section, usize::MAX);
    }
}

fn down(state: &mut State) {
    let at = state.at(state.section);
    if at + 1 < state.len(state.section) {
        return state.select(state.section, at + 1);
    }
    let below = &Section::ALL[state.section as usize + 1..];
    if let Some(section) = below.iter().find(|section| state.len(**section) > 0) {
        state.select(*section, 0);
    }
}

/// Another list that has rows, so many lists on.
fn next(state: &mut State, step: usize) {
    let lists = Section::ALL.len();
    let others = (1..lists).map(|n| Section::ALL[(state.section as usize + n * step) % lists]);
    if let Some(section) = others.into_iter().find(|section| state.len(*section) > 0) {
        state.select(section, state.at(section));
    }
}

/// Opens the page of the job that the selected row is about.
fn open(state: &mut State, tab: Tab) -> Vec<Effect> {
    let Some(id) = state.target() else {
        match state.section {
            Section::Problems if state.is_about_review() => state.select(Section::Review, 0),
            _ => state.said = Some(Said { text: "This row is not about a job".to_owned(), is_good: false }),
        }
        return Vec::new();
    };
    state.page = Some(JobPage { id: id.clone(), tab, top: [0; 3], follows: true, detail: Detail::default() });
    vec![Effect::Read(id)]
}

/// Selects the row at a place of the screen.
pub fn click(state: &mut State, _column: u16, row: u16) {
    if state.page.is_some() || state.prompt.is_some() {
        return;
    }
    for part in layout::parts(state) {
        let Some(below) = row.checked_sub(part.top + 1) else { continue };
        if below < part.rows {
            let at = part.first + usize::from(below / part.row_height);
            if at < state.len(part.section) {
                state.select(part.section, at);
            }
            return;
        }
    }
}
