//! The output stream of one call: bytes in, events out, and their sum so far.

use std::collections::BTreeMap;

use super::dialog::Dialog;
use super::event::{Ask, Event, RateLimit};
use super::failure::Kind;
use super::framing::{Frame, Framer};
use super::parsers::Parser;
use crate::base::{names, text};
use crate::model::agent::{Format, Quota, Usage};

/// How many warnings are kept, and how long each may be, in characters.
const MAX_WARNINGS: usize = 20;
const MAX_WARNING: usize = 300;
/// Characters of a line of plain text that people are shown.
const MAX_LINE: usize = 300;
/// Bytes of an answer that are kept: its end, where verdicts are.
const MAX_ANSWER: usize = 4 << 20;
/// Bytes of other output that are kept, in case nothing else says why a call failed.
const MAX_BESIDE: usize = 8 << 10;
const MAX_TOOLS: usize = 256;

/// Reads what one call prints, with bounded memory.
#[derive(Debug)]
pub struct Stream {
    framer: Framer,
    parser: Parser,
    pub(super) format: Format,
    pub(super) state: State,
}

/// The sum of the events.
#[derive(Debug, Default)]
pub(super) struct State {
    pub session: Option<String>,
    pub model: Option<String>,
    pub version: Option<String>,
    /// What it said last.
    pub answer: String,
    pub usage: Usage,
    pub warnings: Vec<String>,
    pub tools: BTreeMap<String, u64>,
    pub limit: Option<RateLimit>,
    pub quotas: Vec<Quota>,
    /// The last failure that the agent wanted to retry, if it has done nothing since.
    pub trouble: Option<(String, Kind)>,
    pub rejected: Option<String>,
    pub end: Option<End>,
    /// Whether background tasks are running.
    pub background: bool,
    pub meaningful: u64,
    /// Signs of life from its model other than text and tool calls.
    pub progress: u64,
    /// Lines that were printed, of any kind.
    pub lines: u64,
    /// The end of the output that is not part of the stream.
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

impl Stream {
    /// `earlier` is the total usage of a resumed session before this call: some agents continue to count, and only
    /// the difference belongs to this call.
    pub fn new(format: Format, earlier: Option<Usage>) -> Self {
        let parser = Parser::new(format, earlier.unwrap_or_default());
        Self { framer: Framer::default(), parser, format, state: State::default() }
    }

    /// Takes the next output and returns its events.
    pub fn take(&mut self, chunk: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        let Self { framer, parser, format, state } = self;
        framer.take(chunk, |frame| read(frame, *format, parser, state, &mut events));
        events
    }

    /// From now on it answers the agent, which speaks a protocol: [`Stream::outgoing`] has what to write.
    #[must_use]
    pub fn speaking(mut self, dialog: Option<Dialog>) -> Self {
        if let (Some(conversation), Some(dialog)) = (self.parser.conversation(), dialog) {
            conversation.speak(dialog);
        }
        self
    }

    /// What to write to the agent's stdin now; `None`: it is not spoken to.
    pub fn outgoing(&mut self) -> Option<Vec<u8>> {
        self.parser.conversation()?.outgoing()
    }

    /// Answers [`Event::Asks`].
    pub fn decide(&mut self, ask: &Ask, allowed: bool) {
        if let Some(conversation) = self.parser.conversation() {
            conversation.decide(ask, allowed);
        }
    }

    /// Asks the agent to end its turn; false when it works on none, or cannot be asked.
    pub fn cancel(&mut self) -> bool {
        self.state.end.is_none() && self.parser.conversation().is_some_and(|agent| agent.cancel())
    }

    /// Adds a message to the turn that the agent works on; [`Event::Steered`] tells whether it takes it. False when it
    /// works on none, or when its protocol has no such message.
    pub fn steer(&mut self, message: &str) -> bool {
        self.state.end.is_none() && self.parser.conversation().is_some_and(|agent| agent.steer(message))
    }

    /// The number of signs of work, for time limits that need more than bytes.
    pub fn meaningful(&self) -> u64 {
        self.state.meaningful
    }

    /// Whether its service has answered: text, thoughts, or a tool call.
    pub fn has_answered(&self) -> bool {
        self.state.has_answered()
    }

    /// Whether it has printed a result and no background task is running. A program that is still running some seconds
    /// later hangs.
    pub fn is_final(&self) -> bool {
        self.state.end.is_some() && !self.state.background
    }

    /// The usage of this call so far.
    pub fn usage(&self) -> Usage {
        self.state.usage
    }

    /// The session to resume.
    pub fn session(&self) -> Option<&str> {
        self.state.session.as_deref()
    }

    pub fn model(&self) -> Option<&str> {
        self.state.model.as_deref()
    }

    /// Reads a last line that has no newline.
    pub(super) fn finish(&mut self) {
        let Self { framer, parser, format, state } = self;
        framer.finish(|frame| read(frame, *format, parser, state, &mut Vec::new()));
    }
}

/// The stream that was read as plain text, if it is one of those that are known.
pub fn format_of(printed: &str) -> Option<Format> {
    [Format::Claude, Format::Codex, Format::Gemini, Format::Opencode].into_iter().find(|format| {
        let mut stream = Stream::new(*format, None);
        stream.take(printed.as_bytes());
        stream.finish();
        let State { end, answer, .. } = &stream.state;
        end.as_ref().is_some_and(|end| !answer.is_empty() || end.text.as_ref().is_some_and(|said| !said.is_empty()))
    })
}

fn read(frame: Frame<'_>, format: Format, parser: &mut Parser, state: &mut State, events: &mut Vec<Event>) {
    state.lines += 1;
    let mut emit = |event: Event| {
        state.take(&event);
        events.push(event);
    };
    match frame {
        Frame::TooLong => emit(Event::Warning("skipped an overlong line".to_owned())),
        Frame::Line(line) if format == Format::Text => {
            if !line.trim_ascii().is_empty() {
                emit(Event::Line(text::clip(&String::from_utf8_lossy(line), MAX_LINE)));
            }
            state.plain(line);
            state.beside(line);
        }
        Frame::Line(line) => {
            let json = line.trim_ascii_start().starts_with(b"{");
            if !json || !parser.line(line, &mut emit) {
                state.beside(line);
            }
        }
    }
}

impl State {
    fn take(&mut self, event: &Event) {
        if event.is_meaningful() {
            self.meaningful += 1;
            self.trouble = None;
        }
        if matches!(event, Event::Text { .. } | Event::ToolUse { .. }) {
            // It goes on, perhaps with another model: that limit did not end it.
            self.limit.take_if(|limit| limit.rejected);
        }
        match event {
            Event::Started { session, model } => self.started(session.as_deref(), model.as_deref()),
            Event::Version(version) => self.version = Some(text::clip(&text::safe(version), 100)),
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
            Event::Quota(quota) => quota.clone().add(&mut self.quotas),
            Event::Usage(usage) => self.usage = *usage,
            Event::Background(tasks) => self.background = *tasks,
            Event::Result { ok, text, error, kind } => {
                let kind = kind.unwrap_or(Kind::Other);
                self.end = Some(End { ok: *ok, text: text.clone(), error: error.clone(), kind });
            }
            Event::Progress | Event::Line(_) => self.progress += 1,
            Event::Asks(_) | Event::Steered { .. } | Event::ToolResult { .. } => {}
        }
    }

    pub(super) fn has_answered(&self) -> bool {
        !self.answer.is_empty() || !self.tools.is_empty() || self.progress > 0
    }

    /// The id is used in an argument list later, so only a plain name is accepted.
    fn started(&mut self, session: Option<&str>, model: Option<&str>) {
        match session {
            Some(id) if names::is_id(id) => self.session = Some(id.to_owned()),
            Some(_) => self.warn("its session id is not usable"),
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
