//! One reader per format: a line of JSON in, events out. A reader keeps what later lines refer to, and
//! how much was used; what it all comes to is the reading's business.

mod claude;
mod codex;
mod gemini;
mod opencode;
mod shown;
mod usage;

use crate::model::agent::{Format, Usage};
use shown::Tell;

/// The reader of a format.
#[derive(Debug)]
pub enum Reader {
    Claude(Box<claude::Claude>),
    Codex(codex::Codex),
    Gemini(gemini::Gemini),
    Opencode(opencode::Opencode),
    /// Plain text has no events.
    Text,
}

impl Reader {
    /// `earlier` is what the session that is gone on with used before.
    pub fn new(format: Format, earlier: Usage) -> Self {
        match format {
            Format::Claude => Reader::Claude(Box::new(claude::Claude::new(earlier))),
            Format::Codex => Reader::Codex(codex::Codex::new(earlier)),
            Format::Gemini => Reader::Gemini(gemini::Gemini::default()),
            Format::Opencode => Reader::Opencode(opencode::Opencode::default()),
            Format::Text => Reader::Text,
        }
    }

    /// Reads one line that begins with `{`. Whether it was JSON.
    pub fn line(&mut self, line: &[u8], tell: Tell<'_>) -> bool {
        match self {
            Reader::Claude(reader) => reader.line(line, tell),
            Reader::Codex(reader) => reader.line(line, tell),
            Reader::Gemini(reader) => reader.line(line, tell),
            Reader::Opencode(reader) => reader.line(line, tell),
            Reader::Text => false,
        }
    }
}
