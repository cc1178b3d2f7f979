//! Shared by all parsers: how a line is read, where events go, open tool calls, and clipping of tool texts.

use std::collections::HashSet;

use serde::Deserialize;

use crate::agents::event::Event;
use crate::agents::lenient::{List, Object, Scalar, read};
use crate::agents::limits;
use crate::agents::monitor::operation;
use crate::base::text;
use crate::model::agent::Quota;

/// Bytes of a tool's input or output that an event keeps; the raw stream has the rest.
pub(super) const MAX_TEXT: usize = 4 << 10;

/// The longest name of a limit, in characters.
const MAX_WINDOW: usize = 40;

/// Where events go.
pub(super) type Emit<'t> = &'t mut dyn FnMut(Event);

/// A format whose every line is a JSON object of one shape.
pub(super) trait LineParser {
    type Line<'a>: Deserialize<'a>;

    /// Turns a line into events.
    fn read(&mut self, line: &Self::Line<'_>, emit: Emit<'_>);

    /// Parses a line. Returns whether it was JSON.
    fn line(&mut self, line: &[u8], emit: Emit<'_>) -> bool {
        read(line, |line| match serde_json::from_slice::<Self::Line<'_>>(line) {
            Ok(line) => {
                self.read(&line, emit);
                true
            }
            Err(_) => false,
        })
    }
}

/// Tool calls that have started and not ended: many agents report both, some only the end.
#[derive(Debug, Default)]
pub(super) struct OpenCalls(HashSet<String>);

impl OpenCalls {
    /// Bounds the memory for agents that never report the end of calls.
    const MOST: usize = 4096;

    /// Records the start of a call; returns whether it is new.
    pub(super) fn begin(&mut self, id: &str) -> bool {
        if self.0.len() >= Self::MOST {
            self.0.clear();
        }
        self.0.insert(clipped(id, 200))
    }

    /// Records the end of a call; returns whether its start was seen.
    pub(super) fn end(&mut self, id: &str) -> bool {
        self.0.remove(&clipped(id, 200))
    }
}

/// At most `max` bytes of a text, cut between characters.
pub(super) fn clipped(text: &str, max: usize) -> String {
    let mut end = text.len().min(max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A report of how much of a limit is used, in percent; `None` without an amount or an end.
pub(super) fn quota(window: &str, percent: Option<f64>, resets_at: &Scalar<'_>) -> Option<Event> {
    let is_plain = |c: &char| c.is_ascii_alphanumeric() || "_- ".contains(*c);
    let window = window.chars().filter(is_plain).take(MAX_WINDOW).collect();
    let until = resets_at.whole().and_then(limits::epoch)?;
    // A cast saturates; more than all of it is all of it.
    Some(Event::Quota(Quota { window, used: (percent?.round() as u8).min(100), until }))
}

pub(super) fn tool(name: Option<&str>, input: Option<&serde_json::value::RawValue>) -> Event {
    let name = text::clip(&text::safe(name.unwrap_or("?")), 100);
    let (input, operation) =
        input.map(|input| (clipped(input.get(), MAX_TEXT), operation::of(input))).unwrap_or_default();
    Event::ToolUse { name, input, operation }
}

/// Characters of a step of a plan.
const MAX_STEP: usize = 300;

/// The step of a plan that is worked on, when that is another than the `last` one. `steps`: whether each is worked on,
/// and its words.
pub(super) fn plan<'p>(steps: impl ExactSizeIterator<Item = (bool, &'p str)>, last: &mut String) -> Event {
    let total = steps.len();
    let now = steps.enumerate().find(|(_, (is_now, _))| *is_now);
    match now.map(|(at, (_, what))| format!("plan {} of {total}: {what}", at + 1)) {
        Some(step) if step != *last => {
            last.clone_from(&step);
            Event::Line(text::clip(&step, MAX_STEP))
        }
        _ => Event::Progress,
    }
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
        return clipped(text, MAX_TEXT);
    }
    let mut out = String::new();
    for part in content.items.iter().filter_map(|part| part.0.as_ref()?.text.text()) {
        out.push_str(part);
        if out.len() > MAX_TEXT {
            return clipped(&out, MAX_TEXT);
        }
    }
    out
}
