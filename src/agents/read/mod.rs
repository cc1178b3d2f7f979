//! One reader per format: a line of JSON in, events out. A reader keeps what later lines refer to, and
//! how much was used; what it all comes to is the reading's business.

mod claude;
mod codex;
mod gemini;
mod opencode;
mod usage;

use std::collections::HashSet;

use super::Event;
use super::lax::{List, Object, Scalar};
use crate::base::text;
use crate::model::agent::{Format, Usage};

/// Bytes of a tool's input or output that an event keeps; the raw stream has the rest.
const MAX_SHOWN: usize = 4 << 10;

/// Where events go.
type Tell<'t> = &'t mut dyn FnMut(Event);

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

/// The calls whose beginning was seen and whose end was not: many agents tell of both, some of the end only.
#[derive(Debug, Default)]
struct Open(HashSet<String>);

impl Open {
    /// Agents that never end their calls may not fill the memory.
    const MOST: usize = 4096;

    /// Whether it is news.
    fn begin(&mut self, id: &str) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(shown(id, 200))
    }

    /// Whether its beginning was seen.
    fn end(&mut self, id: &str) -> bool {
        self.0.remove(&shown(id, 200))
    }
}

/// At most so many bytes of a text, whole characters.
fn shown(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

fn tool(name: Option<&str>, input: Option<&serde_json::value::RawValue>) -> Event {
    let name = text::clip(&text::safe(name.unwrap_or("?")), 100);
    Event::ToolUse { name, input: input.map_or_else(String::new, |input| shown(input.get(), MAX_SHOWN)) }
}

/// A part of a tool's output.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
struct Part<'a> {
    #[serde(borrow)]
    text: Scalar<'a>,
}

/// What a tool answered: a string, or a list of parts.
fn output(content: &List<'_, Object<Part<'_>>>) -> String {
    if let Some(text) = &content.text {
        return shown(text, MAX_SHOWN);
    }
    let mut out = String::new();
    for part in content.items.iter().filter_map(|part| part.0.as_ref()?.text.text()) {
        out.push_str(part);
        if out.len() > MAX_SHOWN {
            return shown(&out, MAX_SHOWN);
        }
    }
    out
}
