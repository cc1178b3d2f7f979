//! Keys while a question, a text or the help is open.

use super::super::state::{Busy, Effect, Key, Prompt, State, Written};
use crate::base::text;
use crate::faces::operator::Command;

/// The longest text, in characters.
const LONGEST: usize = 2000;

pub fn key(state: &mut State, key: Key) -> Vec<Effect> {
    let Some(prompt) = state.prompt.take() else { return Vec::new() };
    match (prompt, key) {
        (Prompt::Confirm { command, .. }, Key::Char('y')) => return perform(state, command),
        (Prompt::Confirm { .. }, Key::Char('n') | Key::Esc) => {}
        // Any other key may be meant for something else.
        (open @ Prompt::Confirm { .. }, _) => state.prompt = Some(open),
        (Prompt::Write { .. }, Key::Esc) => {}
        (Prompt::Write { what, job, question, text }, key) => return write(state, (what, job, question, text), key),
        (Prompt::Filter, key) => filter(state, key),
        (Prompt::Leave, Key::Char('q')) => return vec![Effect::Quit],
        (Prompt::Help | Prompt::Refused(_) | Prompt::Leave, _) => {}
    }
    Vec::new()
}

pub fn paste(state: &mut State, pasted: &str) {
    let pasted = text::safe(pasted);
    match &mut state.prompt {
        Some(Prompt::Write { text, .. }) => add(text, &pasted),
        Some(Prompt::Filter) => {
            add(&mut state.filter, &pasted);
            state.follow_selection();
        }
        _ => {}
    }
}

fn add(text: &mut String, more: &str) {
    let room = LONGEST.saturating_sub(text.chars().count());
    text.extend(more.chars().take(room));
}

fn perform(state: &mut State, command: Command) -> Vec<Effect> {
    // `Approving j7`
    let job = command.job().map_or_else(String::new, |job| format!(" {}", state.short(job)));
    state.busy.push_back(Busy { what: command.doing().to_owned() + &job, doing: None, since: state.now });
    vec![Effect::Perform(command)]
}

fn write(state: &mut State, open: (Written, String, String, String), key: Key) -> Vec<Effect> {
    let (what, job, question, mut text) = open;
    match key {
        Key::Enter if !text.trim().is_empty() => {
            let text = text.trim().to_owned();
            return perform(
                state,
                match what {
                    Written::Retry => Command::Retry { job, note: text },
                    Written::Reject => Command::Reject { job, note: text },
                    Written::Answer => Command::Answer { job, text },
                    Written::Note => Command::Note { job, text },
                },
            );
        }
        key => edit(&mut text, key),
    }
    state.prompt = Some(Prompt::Write { what, job, question, text });
    Vec::new()
}

fn edit(text: &mut String, key: Key) {
    match key {
        Key::Char(c) => add(text, &crate::base::text::safe(&c.to_string())),
        Key::Back => drop(text.pop()),
        Key::Ctrl('u') => text.clear(),
        Key::Ctrl('w') => {
            let kept = text.trim_end().rfind(' ').map_or(0, |at| at + 1);
            text.truncate(kept);
        }
        _ => {}
    }
}

fn filter(state: &mut State, key: Key) {
    match key {
        Key::Enter => {}
        Key::Esc => state.filter.clear(),
        key => {
            edit(&mut state.filter, key);
            state.prompt = Some(Prompt::Filter);
        }
    }
    state.follow_selection();
}
