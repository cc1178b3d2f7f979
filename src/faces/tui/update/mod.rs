//! What each input changes, and what is to be done then. Pure.

mod board;
mod common;
mod decide;
mod page;
mod prompt;

use super::state::{Effect, Input, Key, Prompt, Said, Sort, State};
use crate::base::{Refusal, text};

/// Takes one input.
pub fn update(state: &mut State, input: Input) -> Vec<Effect> {
    match input {
        Input::Key(key) => on_key(state, key),
        Input::Paste(pasted) => {
            prompt::paste(state, &pasted);
            Vec::new()
        }
        Input::Click(column, row) => {
            board::click(state, column, row);
            Vec::new()
        }
        Input::Scroll(lines) => {
            let key = if lines < 0 { Key::Up } else { Key::Down };
            if state.prompt.is_none() {
                (0..lines.abs()).flat_map(|_| on_key(state, key)).collect()
            } else {
                Vec::new()
            }
        }
        Input::Resize(columns, rows) => {
            state.size = (columns, rows);
            if let Some(page) = &mut state.page {
                page.detail.rewrap(columns);
            }
            Vec::new()
        }
        Input::Board(board) => {
            (state.board, state.unreadable) = (Some(board), None);
            state.follow_selection();
            read_page(state)
        }
        Input::Unreadable(why) => {
            state.unreadable = Some(text::safe(&why));
            Vec::new()
        }
        Input::News(news) => {
            if let Some(page) = state.page.as_mut().filter(|page| page.id == news.job) {
                page.detail.take(news, state.size.0);
            }
            Vec::new()
        }
        Input::Progress(line) => {
            if let Some(busy) = state.busy.front_mut() {
                busy.doing = Some(text::safe(&line));
            }
            Vec::new()
        }
        Input::Done(result) => done(state, result),
        Input::Tick => {
            if state.sort == Sort::Quiet {
                state.follow_selection();
            }
            Vec::new()
        }
    }
}

fn read_page(state: &State) -> Vec<Effect> {
    state.page.iter().map(|page| Effect::Read(page.id.clone())).collect()
}

fn done(state: &mut State, result: Result<Vec<String>, Refusal>) -> Vec<Effect> {
    state.busy.pop_front();
    match result {
        Ok(lines) => {
            let said = lines.join(" · ");
            let said = if said.is_empty() { "Done".to_owned() } else { said };
            state.said = Some(Said { text: said, is_good: true });
        }
        Err(refusal) => {
            let lines = refused(&refusal);
            state.said = Some(Said { text: lines[0].clone(), is_good: false });
            // A person who is writing is not interrupted.
            if state.prompt.as_ref().is_none_or(|prompt| *prompt == Prompt::Leave) {
                state.prompt = Some(Prompt::Refused(lines));
            }
        }
    }
    if state.prompt == Some(Prompt::Leave) && state.busy.is_empty() {
        return vec![Effect::Quit];
    }
    read_page(state)
}

/// Ctrl-C: at once when nothing is carried out, or when it is pressed again.
fn leave(state: &mut State) -> Vec<Effect> {
    if state.busy.is_empty() || state.prompt == Some(Prompt::Leave) {
        return vec![Effect::Quit];
    }
    state.prompt = Some(Prompt::Leave);
    Vec::new()
}

/// A refusal as the command line prints it.
fn refused(refusal: &Refusal) -> Vec<String> {
    let message = text::safe_block(&format!("error: {}", refusal.message));
    let cause = refusal.reason.iter().map(|reason| text::safe_block(&format!("cause: {reason}")));
    let fixes = refusal.next.iter().map(|next| text::safe_block(&format!("fix: {next}")));
    let all = std::iter::once(message).chain(cause).chain(fixes);
    all.flat_map(|line| line.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

fn on_key(state: &mut State, key: Key) -> Vec<Effect> {
    match key {
        Key::Ctrl('c') => return leave(state),
        Key::Ctrl('z') => return vec![Effect::Suspend],
        Key::Ctrl('l') => return vec![Effect::Redraw],
        _ => {}
    }
    if state.prompt.is_some() {
        return prompt::key(state, key);
    }
    state.said = None;
    if state.page.is_some() { page::key(state, key) } else { board::key(state, key) }
}
