//! What all parsers share: where events go, which calls are open, and how much of a tool's text is kept.

use std::collections::HashSet;

use crate::agents::event::Event;
use crate::agents::lenient::{List, Object, Scalar};
use crate::base::text;

/// Bytes of a tool's input or output that an event keeps; the raw stream has the rest.
pub(super) const MAX_SHOWN: usize = 4 << 10;

/// Where events go.
pub(super) type Tell<'t> = &'t mut dyn FnMut(Event);

/// The calls whose beginning was seen and whose end was not: many agents tell of both, some of the end only.
#[derive(Debug, Default)]
pub(super) struct Open(HashSet<String>);

impl Open {
    /// Agents that never end their calls may not fill the memory.
    const MOST: usize = 4096;

    /// Whether it is news.
    pub(super) fn begin(&mut self, id: &str) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(shown(id, 200))
    }

    /// Whether its beginning was seen.
    pub(super) fn end(&mut self, id: &str) -> bool {
        self.0.remove(&shown(id, 200))
    }
}

/// At most so many bytes of a text, whole characters.
pub(super) fn shown(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

pub(super) fn tool(name: Option<&str>, input: Option<&serde_json::value::RawValue>) -> Event {
    let name = text::clip(&text::safe(name.unwrap_or("?")), 100);
    Event::ToolUse { name, input: input.map_or_else(String::new, |input| shown(input.get(), MAX_SHOWN)) }
}

/// A part of a tool's output.
#[derive(Debug, Default, serde::Deserialize)]
#[serde(default)]
pub(super) struct Part<'a> {
    #[serde(borrow)]
    text: Scalar<'a>,
}

/// What a tool answered: a string, or a list of parts.
pub(super) fn output(content: &List<'_, Object<Part<'_>>>) -> String {
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
