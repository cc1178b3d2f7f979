//! One parser per format: a line of JSON in, events out. A parser keeps what later lines refer to, and the usage
//! counts. [`Stream`](super::Stream) adds the events up.

mod acp;
mod claude;
mod codex;
mod conversation;
mod gemini;
mod json_rpc;
mod opencode;
mod shared;
mod usage;

use crate::model::agent::{Format, Usage};
use conversation::Conversation;
use shared::{Emit, LineParser};

/// The parser of a format.
#[derive(Debug)]
pub enum Parser {
    Claude(Box<claude::Claude>),
    Codex(codex::Codex),
    Gemini(gemini::Gemini),
    Opencode(opencode::Opencode),
    Acp(Box<acp::Acp>),
    CodexAppServer(Box<codex::AppServer>),
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
            Format::Acp => Parser::Acp(Box::new(acp::Acp::new(earlier))),
            // It says itself what the thread used before.
            Format::CodexAppServer => Parser::CodexAppServer(Box::default()),
            Format::Text => Parser::Text,
        }
    }

    /// The one that is answered, of a protocol.
    pub fn conversation(&mut self) -> Option<&mut dyn Conversation> {
        match self {
            Parser::Acp(parser) => Some(&mut **parser),
            Parser::CodexAppServer(parser) => Some(&mut **parser),
            _ => None,
        }
    }

    /// Parses one line that begins with `{`. Returns whether it was JSON.
    pub fn line(&mut self, line: &[u8], emit: Emit<'_>) -> bool {
        match self {
            Parser::Claude(parser) => parser.line(line, emit),
            Parser::Codex(parser) => parser.line(line, emit),
            Parser::Gemini(parser) => parser.line(line, emit),
            Parser::Opencode(parser) => parser.line(line, emit),
            Parser::Acp(parser) => parser.line(line, emit),
            Parser::CodexAppServer(parser) => parser.line(line, emit),
            Parser::Text => false,
        }
    }
}

/// The first message to an agent that speaks a protocol.
pub fn opening(format: Format) -> Option<Vec<u8>> {
    match format {
        Format::Acp => Some(acp::opening()),
        Format::CodexAppServer => Some(codex::opening()),
        _ => None,
    }
}

/// What an agent says of itself in its answer to the first message: its name and version. `None` without an answer.
pub fn introduction(format: Format, printed: &str) -> Option<String> {
    match format {
        Format::Acp => acp::introduction(printed),
        Format::CodexAppServer => codex::introduction(printed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::agents::Stream;
    use crate::agents::outcome::Exit;
    use crate::base::Stamp;
    use crate::model::agent::{Format, Quota};

    #[test]
    fn reports_about_quotas_that_are_no_refusals_are_kept() {
        let (five, seven) = (Stamp::from_unix(1_795_229_980), Stamp::from_unix(1_795_600_000));
        let of = |window: &str, used, until| Quota { window: window.into(), used, until };
        let claude = r#"{"type":"rate_limit_event","rate_limit_info":{"status":"allowed","resetsAt":1795229980,"rateLimitType":"five_hour"}}
            {"type":"rate_limit_event","rate_limit_info":{"status":"allowed_warning","resetsAt":1795229980,
            "rateLimitType":"five_hour","utilization":0.93,"unifiedWindows":{"five_hour":{"utilization":0.93,"resetsAt":1795229980},
            "seven_day":{"utilization":0.412,"resetsAt":1795600000},"odd":{"utilization":0.5}}}}"#;
        let mut stream = Stream::new(Format::Claude, None);
        let lines = claude.replace("\n            {", "\r{").replace('\n', " ").replace('\r', "\n");
        stream.take(format!("{lines}\n").as_bytes());
        let outcome = stream.into_outcome(&Exit::Code(0), b"", five);
        assert_eq!(outcome.quotas, [of("five_hour", 93, five), of("seven_day", 41, seven)]);
        assert_eq!(of("five_hour", 93, five).describe(), "93 % of its 5-hour limit");
    }

    #[test]
    fn too_much_memory_is_neither_an_outage_nor_an_account_limit() {
        use crate::agents::outcome::Verdict;
        let what = "out of memory (memory = \"1g\")";
        for said in ["", r#"{"type":"error","message":"rate limit reached"}"#] {
            let mut stream = Stream::new(Format::Codex, None);
            stream.take(format!("{said}\n").as_bytes());
            let outcome =
                stream.into_outcome(&Exit::OverLimit(what.into()), b"usage limit reached", Stamp::from_unix(0));
            let Verdict::NoResult { why, outage: false } = outcome.verdict else { panic!("{:?}", outcome.verdict) };
            assert!(why.contains(what), "{why}");
        }
    }
}
