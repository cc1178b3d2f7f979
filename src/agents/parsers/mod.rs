//! One parser per format: a line of JSON in, events out. A parser keeps what later lines refer to, and the usage
//! counts. [`Stream`](super::Stream) adds the events up.

mod claude;
mod codex;
mod gemini;
mod opencode;
mod shared;
mod usage;

use crate::model::agent::{Format, Usage};
use shared::{Emit, LineParser};

/// The parser of a format.
#[derive(Debug)]
pub enum Parser {
    Claude(Box<claude::Claude>),
    Codex(codex::Codex),
    Gemini(gemini::Gemini),
    Opencode(opencode::Opencode),
    /// Plain text has no events.
    Text,
}

impl Parser {
    /// `earlier` is the usage of the resumed session before this call.
    pub fn new(format: Format, earlier: Usage) -> Self {
        match format {
            Format::Claude => Parser::Claude(Box::new(claude::Claude::new(earlier))),
            Format::Codex => Parser::Codex(codex::Codex::new(earlier)),
            Format::Gemini => Parser::Gemini(gemini::Gemini::default()),
            Format::Opencode => Parser::Opencode(opencode::Opencode::default()),
            Format::Text => Parser::Text,
        }
    }

    /// Parses one line that begins with `{`. Returns whether it was JSON.
    pub fn line(&mut self, line: &[u8], emit: Emit<'_>) -> bool {
        match self {
            Parser::Claude(parser) => parser.line(line, emit),
            Parser::Codex(parser) => parser.line(line, emit),
            Parser::Gemini(parser) => parser.line(line, emit),
            Parser::Opencode(parser) => parser.line(line, emit),
            Parser::Text => false,
        }
    }
}
