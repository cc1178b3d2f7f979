//! One call's output, as it arrives: bytes in, events out, and what they add up to so far.

use std::collections::BTreeMap;

use super::event::{Event, RateLimit};
use super::failure::Kind;
use super::framing::{Frame, Frames};
use super::parsers::Reader;
use crate::base::{names, text};
use crate::model::agent::{Format, Usage};

/// Warnings that are kept, and how long each may be, in characters.
const MAX_WARNINGS: usize = 20;
const MAX_WARNING: usize = 300;
/// Bytes of an answer that are kept: its end, where verdicts stand.
const MAX_ANSWER: usize = 4 << 20;
/// Bytes of what was printed beside the stream, kept for when nothing else says why.
const MAX_BESIDE: usize = 8 << 10;
const MAX_TOOLS: usize = 256;

/// Reads what one call prints. Memory is bounded, whatever comes.
#[derive(Debug)]
pub struct Reading {
    frames: Frames,
    reader: Reader,
    pub(super) format: Format,
    pub(super) story: Story,
}

/// What the events add up to.
#[derive(Debug, Default)]
pub(super) struct Story {
    pub session: Option<String>,
    pub model: Option<String>,
    /// What it said last.
    pub answer: String,
    pub usage: Usage,
    pub warnings: Vec<String>,
    pub tools: BTreeMap<String, u64>,
    pub limit: Option<RateLimit>,
    /// What failed last and was to be tried again, with nothing done since.
    pub trouble: Option<(String, Kind)>,
    pub rejected: Option<String>,
    pub end: Option<End>,
    /// Whether work goes on in the background.
    pub background: bool,
    pub meaningful: u64,
    /// Signs of life from its model, that are no words and no calls of tools.
    pub progress: u64,
    /// Lines that were printed, of whatever sort.
    pub lines: u64,
    /// The end of what is no part of the stream.
    pub beside: Vec<u8>,
    /// All that was printed, where the format is text.
    pub plain: Vec<u8>,
}

/// How a turn ended, in the agent's own words.
#[derive(Debug)]
pub(super) struct End {
    pub ok: bool,
    pub text: Option<String>,
    pub error: Option<String>,
    pub kind: Kind,
}

impl Reading {
    /// `earlier` is what a session that is gone on with used before, all its runs together: some agents
    /// count on, and only the difference is this run's.
    pub fn new(format: Format, earlier: Option<Usage>) -> Self {
        let reader = Reader::new(format, earlier.unwrap_or_default());
        Self { frames: Frames::default(), reader, format, story: Story::default() }
    }

    /// Takes in what was printed next and tells what it says.
    pub fn take(&mut self, chunk: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let Self { frames, reader, format, story } = self;
        frames.take(chunk, |frame| read(frame, *format, reader, story, &mut events));
        events
    }

    /// How many signs of work there were; for a clock that asks for more than bytes.
    pub fn meaningful(&self) -> u64 {
        self.story.meaningful
    }

    /// Whether its service has answered anything: words, thoughts, or a tool to call.
    pub fn has_answered(&self) -> bool {
        self.story.has_answered()
    }

    /// Whether it has said its last word: a result, and nothing goes on in the background. A program that is
    /// still there some seconds later hangs.
    pub fn is_final(&self) -> bool {
        self.story.end.is_some() && !self.story.background
    }

    /// What this run used so far.
    pub fn usage(&self) -> Usage {
        self.story.usage
    }

    /// The session to go on with.
    pub fn session(&self) -> Option<&str> {
        self.story.session.as_deref()
    }

    pub fn model(&self) -> Option<&str> {
        self.story.model.as_deref()
    }

    /// A last line counts without a newline too.
    pub(super) fn finish(&mut self) {
        let Self { frames, reader, format, story } = self;
        frames.finish(|frame| read(frame, *format, reader, story, &mut Vec::new()));
    }
}

fn read(frame: Frame<'_>, format: Format, reader: &mut Reader, story: &mut Story, events: &mut Vec<Event>) {
    story.lines += 1;
    let mut tell = |event: Event| {
        story.take(&event);
        events.push(event);
    };
    match frame {
        Frame::TooLong => tell(Event::Warning("a line that is too long was passed over".to_owned())),
        Frame::Line(line) if format == Format::Text => {
            if !line.trim_ascii().is_empty() {
                tell(Event::Progress);
            }
            story.plain(line);
            story.beside(line);
        }
        Frame::Line(line) => {
            let json = line.trim_ascii_start().starts_with(b"{");
            if !json || !reader.line(line, &mut tell) {
                story.beside(line);
            }
        }
    }
}

impl Story {
    fn take(&mut self, event: &Event) {
        if event.is_meaningful() {
            self.meaningful += 1;
            self.trouble = None;
        }
        match event {
            Event::Started { session, model } => self.started(session.as_deref(), model.as_deref()),
            Event::Turn => self.end = None,
            Event::Text { text, more } => self.say(text, *more),
            Event::ToolUse { name, .. } => {
                if self.tools.len() < MAX_TOOLS || self.tools.contains_key(name) {
                    *self.tools.entry(name.clone()).or_default() += 1;
                }
            }
            Event::Rejected(what) => self.rejected = Some(what.clone()),
            Event::Warning(why) => self.warn(why),
            Event::Trouble { why, kind } => {
                self.warn(why);
                self.trouble = Some((why.clone(), *kind));
            }
            Event::RateLimit(limit) => {
                // A warning does not hide a refusal.
                if limit.rejected || !self.limit.as_ref().is_some_and(|known| known.rejected) {
                    self.limit = Some(limit.clone());
                }
            }
            Event::Usage(usage) => self.usage = *usage,
            Event::Background(tasks) => self.background = *tasks,
            Event::Result { ok, text, error, kind } => {
                let kind = kind.unwrap_or(Kind::Other);
                self.end = Some(End { ok: *ok, text: text.clone(), error: error.clone(), kind });
            }
            Event::Progress => self.progress += 1,
            Event::ToolResult { .. } => {}
        }
    }

    pub(super) fn has_answered(&self) -> bool {
        !self.answer.is_empty() || !self.tools.is_empty() || self.progress > 0
    }

    /// The id goes into an argument list one day: what is no plain name is not taken.
    fn started(&mut self, session: Option<&str>, model: Option<&str>) {
        match session {
            Some(id) if names::is_id(id) => self.session = Some(id.to_owned()),
            Some(_) => self.warn("its session has an id that cannot be used"),
            None => {}
        }
        if self.model.is_none() {
            self.model = model.map(|model| text::clip(&text::safe(model), 100));
        }
    }

    fn say(&mut self, said: &str, more: bool) {
        if !more {
            self.answer.clear();
        }
        self.answer.push_str(said);
        if self.answer.len() > MAX_ANSWER {
            let mut from = self.answer.len() - MAX_ANSWER / 2;
            while !self.answer.is_char_boundary(from) {
                from += 1;
            }
            self.answer.drain(..from);
        }
    }

    pub(super) fn warn(&mut self, why: &str) {
        if self.warnings.len() < MAX_WARNINGS {
            let why = text::clip(&text::safe(why), MAX_WARNING);
            if self.warnings.last() != Some(&why) {
                self.warnings.push(why);
            }
        }
    }

    fn beside(&mut self, line: &[u8]) {
        add_line(&mut self.beside, line, MAX_BESIDE);
    }

    fn plain(&mut self, line: &[u8]) {
        add_line(&mut self.plain, line, MAX_ANSWER);
    }
}

/// Keeps at least the last `max` bytes, and at most twice as many.
fn add_line(kept: &mut Vec<u8>, line: &[u8], max: usize) {
    kept.extend_from_slice(&line[line.len().saturating_sub(max)..]);
    kept.push(b'\n');
    if kept.len() > 2 * max {
        kept.drain(..kept.len() - max);
    }
}
