//! What became of a call: the stream's last word, the exit, and the end of stderr, weighed together.
//!
//! Success is a result that says so **and** exit 0: a program may end with 0 and no result (it was
//! interrupted), with a result and another code, or with 0 and a result that is an error. Nothing here
//! believes an agent about its work: whoever asked looks at commits, diff and tests.

use std::collections::BTreeMap;

use super::event::RateLimit;
use super::failure::{self, Kind};
use super::limits;
use super::stream::{End, Reading, Story};
use crate::base::{Stamp, text};
use crate::model::agent::{Format, Usage};

/// So many lines at the end of what an agent without events printed may speak of a limit.
const LAST_LINES: usize = 4;

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    /// By a signal that was not ours.
    Signal(i32),
    /// It had said its last word and stayed: ended by us, and no failure for that.
    Lingered,
    /// One of our clocks ran out; says which.
    TimedOut(String),
    /// We were asked to stop it.
    Stopped,
    /// With the reason; nothing ran.
    NotStarted(String),
}

/// What became of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The agent says that it is done; the evidence decides.
    Succeeded,
    Failed {
        why: String,
        kind: Kind,
    },
    /// The account's limit: nobody's failure. It ends at `until`; `None` when nobody said.
    RateLimited {
        until: Option<Stamp>,
        why: String,
    },
    /// It ended, or was ended, and never said how its work went.
    NoResult {
        why: String,
        /// The service or the way to it failed, or never answered: nobody's failure.
        outage: bool,
    },
}

#[derive(Clone, Debug)]
pub struct Conclusion {
    pub verdict: Verdict,
    /// The session to go on with.
    pub session: Option<String>,
    pub model: Option<String>,
    /// Whether its service answered anything.
    pub worked: bool,
    /// The final answer, or what was said last.
    pub text: String,
    /// What this run used.
    pub usage: Usage,
    pub warnings: Vec<String>,
    /// How often each tool was called.
    pub tools: BTreeMap<String, u64>,
    pub rate_limit: Option<RateLimit>,
}

impl Reading {
    /// Weighs everything. `stderr_tail` is the end of what was printed on stderr; `now` is when it ended.
    pub fn conclude(mut self, exit: &Exit, stderr_tail: &[u8], now: Stamp) -> Conclusion {
        self.finish();
        let Self { format, mut story, .. } = self;
        let stderr = String::from_utf8_lossy(stderr_tail);
        let beside = String::from_utf8_lossy(&story.beside).into_owned();
        let judge = Judge { story: &story, format, exit, stderr: &stderr, beside: &beside, now };
        let verdict = match format {
            Format::Text => judge.plain(),
            _ => judge.verdict(),
        };
        if story.background && verdict == Verdict::Succeeded {
            story.warn("it ended while work went on in the background");
        }
        let worked = story.has_answered();
        let said = story.end.and_then(|end| end.text).unwrap_or(story.answer);
        Conclusion {
            verdict,
            worked,
            session: story.session,
            model: story.model,
            text: if format == Format::Text { String::from_utf8_lossy(&story.plain).trim().to_owned() } else { said },
            usage: story.usage,
            warnings: story.warnings,
            tools: story.tools,
            rate_limit: story.limit,
        }
    }
}

struct Judge<'a> {
    story: &'a Story,
    format: Format,
    exit: &'a Exit,
    stderr: &'a str,
    beside: &'a str,
    now: Stamp,
}

impl Judge<'_> {
    fn verdict(&self) -> Verdict {
        match (&self.story.end, self.exit) {
            (_, Exit::NotStarted(why)) => {
                Verdict::Failed { why: format!("it could not be started: {}", line(why)), kind: Kind::SetUp }
            }
            (Some(end), _) if !end.ok => self.failed(end),
            (Some(_), Exit::Code(0) | Exit::Lingered) => Verdict::Succeeded,
            (Some(_), exit) => {
                let why = format!("it reported success, but {}", ended(exit));
                Verdict::Failed { why, kind: if self.ended_by_us() { Kind::Stopped } else { Kind::Other } }
            }
            (None, _) => self.without_result(),
        }
    }

    /// The agent itself speaks of a failure.
    fn failed(&self, end: &End) -> Verdict {
        let error = end.error.as_deref().unwrap_or("it reports a failure");
        let kind = if end.kind == Kind::Other { self.kind_of_exit().unwrap_or(Kind::Other) } else { end.kind };
        // The refusal of an account tells more than a text that nobody knows.
        let kind = match kind {
            Kind::Other | Kind::Service if self.story.limit.as_ref().is_some_and(|limit| limit.rejected) => Kind::Limit,
            kind => kind,
        };
        self.failure(kind, &failure::why(error), error)
    }

    /// No word about the end: the reason is looked for in what was said last.
    fn without_result(&self) -> Verdict {
        if let Some(limit) = self.story.limit.as_ref().filter(|limit| limit.rejected) {
            return self.limited(&format!("the account's limit is reached ({})", line(&limit.what)), "");
        }
        if let Some(why) = &self.story.rejected {
            return Verdict::Failed { why: why.clone(), kind: Kind::Rejected };
        }
        let ended = ended(self.exit);
        let said = self.last_words();
        let trouble = self.story.trouble.as_ref();
        // Some wait for their limit without a word in the stream. Once tools were at work, stderr may speak
        // of anything.
        if trouble.is_some() || self.story.tools.is_empty() {
            let telling = |kind: Kind| said.lines().rev().find(|line| failure::kind_of(None, line) == kind);
            if let Some(words) = telling(Kind::Billing) {
                return self.failure(Kind::Billing, words, words);
            }
            if limits::speaks_of_one(&said) {
                let words = telling(Kind::Limit).unwrap_or(&said);
                return self.limited(&line(words), words);
            }
        }
        if let Some((why, kind)) = trouble {
            return match kind {
                Kind::Limit | Kind::Account | Kind::Billing | Kind::Request => self.failure(*kind, why, why),
                kind => {
                    let outage = *kind == Kind::Service;
                    Verdict::NoResult { why: format!("{ended}, with no result; last: {why}"), outage }
                }
            };
        }
        if self.story.lines == 0 && matches!(self.exit, Exit::Code(code) if *code != 0) {
            return self.never_began(&ended);
        }
        // Some wait for their service in silence, for an hour if it says so.
        let outage = matches!(self.exit, Exit::TimedOut(_)) && !self.story.has_answered();
        let said = last_line(&said).map_or_else(String::new, |said| format!("; last: {said}"));
        Verdict::NoResult { why: format!("{ended}, with no result{said}"), outage }
    }

    /// It failed before its first word.
    fn never_began(&self, ended: &str) -> Verdict {
        let stderr = self.stderr.to_lowercase();
        // What follows on a wrong argument is help, with words of every kind in it.
        let helps = stderr.contains("usage:") || stderr.contains("--help");
        let said = if helps { first_line(self.stderr) } else { last_line(self.stderr) };
        let kind = match () {
            () if helps => Kind::SetUp,
            () if stderr.contains("database is locked") || said.is_none() => Kind::Busy,
            () => match failure::kind_of(None, self.stderr) {
                Kind::Other => Kind::SetUp,
                kind => kind,
            },
        };
        let said = said.map_or_else(|| "it printed nothing".to_owned(), |said| said.clone());
        Verdict::Failed { why: format!("{ended} before it began: {said}"), kind }
    }

    fn failure(&self, kind: Kind, why: &str, said: &str) -> Verdict {
        match kind {
            Kind::Limit => self.limited(why, said),
            kind => Verdict::Failed { why: line(why), kind },
        }
    }

    /// The time that was given as a number counts more than one in words, and both more than a guess.
    fn limited(&self, why: &str, said: &str) -> Verdict {
        let structured = self.story.limit.as_ref().filter(|limit| limit.rejected).and_then(|limit| limit.resets_at);
        let latest = self.now.plus(limits::LONGEST);
        let until = structured.or_else(|| limits::until(said, self.now)).or_else(|| {
            // The last word counts: what was said before is over.
            self.stderr.lines().rev().find_map(|line| limits::until(line, self.now))
        });
        Verdict::RateLimited { until: until.map(|at| at.clamp(self.now, latest)), why: line(why) }
    }

    /// No events: the exit decides, then the evidence.
    fn plain(&self) -> Verdict {
        match self.exit {
            // aider ends with 0 whatever its service said.
            Exit::Code(0) if self.last_lines().contains("litellm.") => {
                let said = self.last_lines();
                let line = said.lines().find(|line| line.contains("litellm.")).unwrap_or_default();
                self.failure(failure::kind_of(None, line), line, line)
            }
            Exit::Code(0) => Verdict::Succeeded,
            Exit::NotStarted(_) => self.verdict(),
            _ if failure::kind_of(None, &self.last_lines()) == Kind::Limit => {
                self.limited(&line(&self.last_lines()), &self.last_lines())
            }
            Exit::Code(_) => {
                let said = last_line(&self.last_words()).map_or_else(String::new, |said| format!(": {said}"));
                let kind = failure::kind_of(None, &said);
                Verdict::Failed { why: format!("{}{said}", ended(self.exit)), kind }
            }
            exit => Verdict::NoResult { why: ended(exit), outage: false },
        }
    }

    /// stderr, else what was printed beside the stream (they may be one pipe).
    fn last_words(&self) -> String {
        let said = if self.stderr.trim().is_empty() { self.beside } else { self.stderr };
        let from = said.len().saturating_sub(2000);
        let from = (from..said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(said.len());
        said[from..].to_owned()
    }

    /// The last lines of those: a limit ends an agent, and what it worked on may speak of limits as well.
    fn last_lines(&self) -> String {
        let words = self.last_words();
        let lines: Vec<_> = words.lines().rev().filter(|line| !line.trim().is_empty()).take(LAST_LINES).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    fn ended_by_us(&self) -> bool {
        matches!(self.exit, Exit::TimedOut(_) | Exit::Stopped)
    }

    /// gemini's exit code is the HTTP status, as far as it fits into a byte, or one of its own.
    fn kind_of_exit(&self) -> Option<Kind> {
        match (self.format, self.exit) {
            (Format::Gemini, Exit::Code(41)) => Some(Kind::Account),
            (Format::Gemini, Exit::Code(42)) => Some(Kind::Request),
            (Format::Gemini, Exit::Code(44 | 52 | 55)) => Some(Kind::SetUp),
            (Format::Gemini, Exit::Code(53)) => Some(Kind::Turns),
            (Format::Gemini, Exit::Code(code @ 100..=255)) => failure::of_status(256 + u64::from(code.unsigned_abs())),
            _ => None,
        }
    }
}

fn ended(exit: &Exit) -> String {
    match exit {
        Exit::Code(code) => format!("it ended with {code}"),
        Exit::Signal(signal) => format!("signal {signal} ended it"),
        Exit::Lingered => "it had to be ended".to_owned(),
        Exit::TimedOut(clock) => format!("it was ended: {clock}"),
        Exit::Stopped => "it was stopped".to_owned(),
        Exit::NotStarted(why) => format!("it could not be started: {}", line(why)),
    }
}

fn line(said: &str) -> String {
    text::clip(text::safe(said.trim()).trim(), 300)
}

/// The first line that says something.
fn first_line(said: &str) -> Option<String> {
    said.lines().map(line).find(|line| !line.is_empty())
}

/// The last line that says something.
fn last_line(said: &str) -> Option<String> {
    said.lines().rev().map(line).find(|line| !line.is_empty())
}
