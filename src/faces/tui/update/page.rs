//! Keys on the page of a job.

use super::super::draw::page;
use super::super::state::{Effect, Key, State, Tab};
use super::common::{everywhere, screenful};

pub fn key(state: &mut State, key: Key) -> Vec<Effect> {
    let screen = screenful(state);
    match key {
        Key::Esc | Key::Left | Key::Back => {
            state.page = None;
            return Vec::new();
        }
        Key::Tab | Key::Right => turn(state, 1),
        Key::BackTab => turn(state, Tab::ALL.len() - 1),
        Key::Char('1') | Key::Char('o') => open(state, Tab::Overview),
        Key::Char('2') | Key::Char('l') => open(state, Tab::Log),
        Key::Char('3') | Key::Char('d') => open(state, Tab::Diff),
        Key::Up | Key::Char('k') => scroll(state, |top| top.saturating_sub(1)),
        Key::Down | Key::Char('j') => scroll(state, |top| top + 1),
        Key::PageUp => scroll(state, |top| top.saturating_sub(screen)),
        Key::PageDown | Key::Char(' ') => scroll(state, |top| top + screen),
        Key::Home | Key::Char('g') => scroll(state, |_| 0),
        Key::End | Key::Char('G') => scroll(state, |_| usize::MAX),
        Key::Char('n') => next_file(state),
        _ => return everywhere(state, key),
    }
    Vec::new()
}

fn open(state: &mut State, tab: Tab) {
    if let Some(page) = &mut state.page {
        page.tab = tab;
    }
}

fn turn(state: &mut State, by: usize) {
    if let Some(page) = &mut state.page {
        page.tab = Tab::ALL[(page.tab as usize + by) % Tab::ALL.len()];
    }
}

/// Moves to another first line; a log that is moved to its end follows.
fn scroll(state: &mut State, to: impl Fn(usize) -> usize) {
    let last = page::last_top(state);
    let Some(page) = &mut state.page else { return };
    let at = &mut page.top[page.tab as usize];
    let from = if page.tab == Tab::Log && page.follows { last } else { *at };
    *at = to(from.min(last)).min(last);
    if page.tab == Tab::Log {
        page.follows = *at == last;
    }
}

/// Moves to the next file of the diff.
fn next_file(state: &mut State) {
    let last = page::last_top(state);
    let Some(page) = &mut state.page else { return };
    let Some(diff) = page.detail.diff.as_ref().filter(|_| page.tab == Tab::Diff) else { return };
    let next = diff.next(page.top[Tab::Diff as usize], "diff ");
    page.top[Tab::Diff as usize] = next.unwrap_or(0).min(last);
}
