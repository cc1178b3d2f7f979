//! Classifies the outcome of a call by the stream's result, the exit, and the end of stderr.
//!
//! Success is a successful result **and** exit code 0: a program may exit with 0 and no result (it was interrupted),
//! with a result and another code, or with 0 and a result that is an error. A result that came while a time limit
//! stopped the program counts like one that came before. An agent's claims about its work are not
//! trusted: the caller checks commits, diff and tests.

use std::collections::BTreeMap;

use super::event::RateLimit;
use super::failure::{self, Kind};
use super::limits;
use super::stream::{End, State, Stream};
use crate::base::{Stamp, text};
use crate::model::agent::{Format, Quota, Usage};

/// How many lines at the end of the output of an agent without events are searched for a limit.
const LAST_LINES: usize = 4;

/// How the program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    Code(i32),
    /// Killed by a signal that we did not send.
    Signal(i32),
    /// It had printed its result and did not exit: we ended it, which is not a failure.
    Lingered,
    /// We ended it at a time limit; says which.
    TimedOut(String),
    /// The executor's limit killed it, such as a container's of memory; says which.
    OverLimit(String),
    /// Stopped on request.
    Stopped,
    /// With the reason; nothing ran.
    NotStarted(String),
}

/// Whether a call succeeded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The agent reports success; the evidence decides.
    Succeeded,
    Failed {
        why: String,
        kind: Kind,
    },
    /// The account's limit, not a failure of the agent. It ends at `until`, if that is known.
    RateLimited {
        until: Option<Stamp>,
        why: String,
    },
    /// It ended without a result.
    NoResult {
        why: String,
        /// The service or the connection failed or did not answer: not a failure of the agent.
        outage: bool,
    },
}

/// The outcome of a call.
#[derive(Clone, Debug)]
pub struct Outcome {
    pub verdict: Verdict,
    /// The session to resume.
    pub session: Option<String>,
    pub model: Option<String>,
    /// Of its program.
    pub version: Option<String>,
    /// Whether its service answered.
    pub worked: bool,
    /// The final answer, or the last text; of a call that failed without either, what it printed beside its events.
    pub text: String,
    /// The usage of this call.
    pub usage: Usage,
    pub warnings: Vec<String>,
    /// How often each tool was called.
    pub tools: BTreeMap<String, u64>,
    pub rate_limit: Option<RateLimit>,
    /// How much of its account's limits is used.
    pub quotas: Vec<Quota>,
}

impl Stream {
    /// Classifies the call. `stderr_tail` is the end of stderr; `now` is when the program ended.
    pub fn into_outcome(mut self, exit: &Exit, stderr_tail: &[u8], now: Stamp) -> Outcome {
        self.finish();
        let Self { format, mut state, .. } = self;
        let stderr = String::from_utf8_lossy(stderr_tail);
        let beside = String::from_utf8_lossy(&state.beside).into_owned();
        let classifier = Classifier { state: &state, format, exit, stderr: &stderr, beside: &beside, now };
        let verdict = match format {
            Format::Text => classifier.plain(),
            _ => classifier.verdict(),
        };
        if state.background && verdict == Verdict::Succeeded {
            state.warn("it ended with work still running in the background");
        }
        let worked = state.has_answered();
        let mut said = state.end.and_then(|end| end.text).unwrap_or(state.answer);
        // Such as "not logged in", which some programs do not say in their format.
        if said.trim().is_empty() && verdict != Verdict::Succeeded {
            said = beside.trim().to_owned();
        }
        Outcome {
            verdict,
            worked,
            session: state.session,
            model: state.model,
            version: state.version,
            text: if format == Format::Text { String::from_utf8_lossy(&state.plain).trim().to_owned() } else { said },
            usage: state.usage,
            warnings: state.warnings,
            tools: state.tools,
            rate_limit: state.limit,
            quotas: state.quotas,
        }
    }
}

struct Classifier<'a> {
    state: &'a State,
    format: Format,
    exit: &'a Exit,
    stderr: &'a str,
    beside: &'a str,
    now: Stamp,
}

impl Classifier<'_> {
    fn verdict(&self) -> Verdict {
        match (&self.state.end, self.exit) {
            (_, Exit::NotStarted(why)) => {
                Verdict::Failed { why: format!("it could not start: {}", line(why)), kind: Kind::SetUp }
            }
            // Neither its account nor its service is the cause, whatever it said last.
            (_, Exit::OverLimit(_)) => Verdict::NoResult { why: ended(self.exit), outage: false },
            // It ended its turn because we asked it to.
            (Some(end), Exit::TimedOut(_)) if end.kind == Kind::Stopped => self.without_result(),
            (Some(end), _) if !end.ok => self.failed(end),
            (Some(_), Exit::Code(0) | Exit::Lingered) => Verdict::Succeeded,
            // Its answer was complete before it was gone.
            (Some(_), Exit::TimedOut(_)) if !self.state.background => Verdict::Succeeded,
            // Its answer to the prompt is the result; how it takes the end of its stdin is its own affair.
            (Some(_), Exit::Code(_)) if self.format.is_protocol() => Verdict::Succeeded,
            (Some(_), exit) => {
                let why = format!("it reported success, but {}", ended(exit));
                Verdict::Failed { why, kind: if self.ended_by_us() { Kind::Stopped } else { Kind::Other } }
            }
            (None, _) => self.without_result(),
        }
    }

    /// The agent reports a failure.
    fn failed(&self, end: &End) -> Verdict {
        let error = end.error.as_deref().unwrap_or("it reports a failure");
        let kind = if end.kind == Kind::Other { self.kind_of_exit().unwrap_or(Kind::Other) } else { end.kind };
        // A rejected account limit says more than an unknown text.
        let kind = match kind {
            Kind::Other | Kind::Service if self.state.limit.as_ref().is_some_and(|limit| limit.rejected) => Kind::Limit,
            kind => kind,
        };
        self.failure(kind, &failure::why(error), error)
    }

    /// There is no result: look for the reason in the last output.
    fn without_result(&self) -> Verdict {
        if let Some(limit) = self.state.limit.as_ref().filter(|limit| limit.rejected) {
            return self.limited(&format!("account limit reached ({})", line(&limit.what)), "");
        }
        if let Some(why) = &self.state.rejected {
            return Verdict::Failed { why: why.clone(), kind: Kind::Rejected };
        }
        let ended = ended(self.exit);
        let said = self.last_words();
        let trouble = self.state.trouble.as_ref();
        // Some agents wait for their limit without an event. Once tools have run, stderr may mention anything.
        if trouble.is_some() || self.state.tools.is_empty() {
            let telling = |kind: Kind| said.lines().rev().find(|line| failure::kind_of(None, line) == kind);
            if let Some(words) = telling(Kind::Billing) {
                return self.failure(Kind::Billing, words, words);
            }
            if limits::mentions_limit(&said) {
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
        if self.state.lines == 0 && matches!(self.exit, Exit::Code(code) if *code != 0) {
            return self.never_began(&ended);
        }
        let said = last_line(&said).unwrap_or_default();
        let outage = !self.state.has_answered()
            && match self.exit {
                // Some agents wait for their service silently, for up to an hour.
                Exit::TimedOut(_) => true,
                Exit::Code(_) => failure::kind_of_output(&said) == Kind::Service,
                _ => false,
            };
        let said = if said.is_empty() { said } else { format!("; last: {said}") };
        Verdict::NoResult { why: format!("{ended}, with no result{said}"), outage }
    }

    /// It failed before any output.
    fn never_began(&self, ended: &str) -> Verdict {
        let stderr = self.stderr.to_lowercase();
        // After a wrong argument programs print their help, which may contain any words.
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
        let said = said.map_or_else(|| "no output".to_owned(), |said| said.clone());
        Verdict::Failed { why: format!("{ended} before its first output: {said}"), kind }
    }

    fn failure(&self, kind: Kind, why: &str, said: &str) -> Verdict {
        match kind {
            Kind::Limit => self.limited(why, said),
            kind => Verdict::Failed { why: line(why), kind },
        }
    }

    /// A reset time in an event takes precedence over one in text.
    fn limited(&self, why: &str, said: &str) -> Verdict {
        let structured = self.state.limit.as_ref().filter(|limit| limit.rejected).and_then(|limit| limit.resets_at);
        let latest = self.now.plus(limits::LONGEST);
        let until = structured.or_else(|| limits::until(said, self.now)).or_else(|| {
            // The last mention counts: earlier ones are over.
            self.stderr.lines().rev().find_map(|line| limits::until(line, self.now))
        });
        Verdict::RateLimited { until: until.map(|at| at.clamp(self.now, latest)), why: line(why) }
    }

    /// There are no events: the exit decides, then the evidence.
    fn plain(&self) -> Verdict {
        match self.exit {
            // aider exits with 0 even when its service fails.
            Exit::Code(0) if self.last_lines().contains("litellm.") => {
                let said = self.last_lines();
                let line = said.lines().find(|line| line.contains("litellm.")).unwrap_or_default();
                self.failure(failure::kind_of(None, line), line, line)
            }
            Exit::Code(0) => Verdict::Succeeded,
            Exit::NotStarted(_) | Exit::OverLimit(_) => self.verdict(),
            _ if failure::kind_of(None, &self.last_lines()) == Kind::Limit => {
                self.limited(&line(&self.last_lines()), &self.last_lines())
            }
            Exit::Code(_) => {
                let said = last_line(&self.last_words()).map_or_else(String::new, |said| format!(": {said}"));
                let kind = failure::kind_of_output(&said);
                Verdict::Failed { why: format!("{}{said}", ended(self.exit)), kind }
            }
            exit => Verdict::NoResult { why: ended(exit), outage: false },
        }
    }

    /// Stderr, or other output if it is empty (they may be one pipe).
    fn last_words(&self) -> String {
        let said = if self.stderr.trim().is_empty() { self.beside } else { self.stderr };
        let from = said.len().saturating_sub(2000);
        let from = (from..said.len()).find(|at| said.is_char_boundary(*at)).unwrap_or(said.len());
        said[from..].to_owned()
    }

    /// The last lines of those. A limit ends an agent, so it is at the end; text that the agent worked on may mention
    /// limits too.
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
        Exit::Code(code) => format!("exit code {code}"),
        Exit::Signal(signal) => format!("signal {signal} killed it"),
        Exit::Lingered => "it had to be stopped".to_owned(),
        Exit::TimedOut(clock) => format!("it was stopped: {clock}"),
        Exit::OverLimit(which) => format!("it was killed: {which}"),
        Exit::Stopped => "it was stopped".to_owned(),
        Exit::NotStarted(why) => format!("it could not start: {}", line(why)),
    }
}

fn line(said: &str) -> String {
    text::clip(text::safe(said.trim()).trim(), 300)
}

/// The first line that is not empty.
fn first_line(said: &str) -> Option<String> {
    said.lines().map(line).find(|line| !line.is_empty())
}

/// The last line that is not empty.
fn last_line(said: &str) -> Option<String> {
    said.lines().rev().map(line).find(|line| !line.is_empty())
}
