//! Keys that mean the same on the board and on the page of a job.

use super::super::state::{Effect, Key, Prompt, State};
use super::decide;

/// How far a page is turned at once, in rows, less than a screen.
pub fn screenful(state: &State) -> usize {
    usize::from(state.size.1).saturating_sub(6).max(1)
}

/// Keys that mean the same everywhere.
pub fn everywhere(state: &mut State, key: Key) -> Vec<Effect> {
    match key {
        Key::Char('?') => state.prompt = Some(Prompt::Help),
        Key::Char('q') if state.busy.is_empty() => return vec![Effect::Quit],
        Key::Char('q') => state.prompt = Some(Prompt::Leave),
        Key::Char(key) => decide::key(state, key),
        _ => {}
    }
    Vec::new()
}
