//! The events of an agent's stream, the same for every agent.

use std::path::Path;

use serde_json::Value;

use super::failure::Kind;
use crate::base::Stamp;
use crate::model::agent::{Quota, Usage};

/// Something that an agent said or did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// What is known of the session: its id, its model, or both.
    Started {
        session: Option<String>,
        model: Option<String>,
    },
    /// The version of the agent's program.
    Version(String),
    /// A turn starts: a result that was printed before is not the last.
    Turn,
    /// Text of the agent; `more` continues the previous text.
    Text {
        text: String,
        more: bool,
    },
    /// A sign of life, such as thinking, without text to keep.
    Progress,
    /// A line of an agent that prints plain text, clipped: a sign of life that people can read.
    Line(String),
    /// It calls a tool; `input` is JSON, clipped.
    ToolUse {
        name: String,
        input: String,
        /// The commands, paths and addresses in the input, one a line.
        operation: String,
    },
    /// It asks whether it may call a tool, and waits for [`Stream::decide`](super::Stream::decide).
    Asks(Ask),
    /// It answers to a message for its turn ([`Stream::steer`](super::Stream::steer)).
    Steered {
        taken: bool,
    },
    /// A tool answered; `output` is clipped.
    ToolResult {
        ok: bool,
        output: String,
    },
    /// A tool was not allowed, and no person is there to allow it.
    Rejected(String),
    Warning(String),
    /// Something failed, and the agent may retry it.
    Trouble {
        why: String,
        kind: Kind,
    },
    RateLimit(RateLimit),
    /// How much of a limit is used.
    Quota(Quota),
    /// The total usage of this call so far.
    Usage(Usage),
    /// Whether background tasks are running after a result.
    Background(bool),
    /// The end of a turn, in the agent's own words.
    Result {
        ok: bool,
        text: Option<String>,
        error: Option<String>,
        kind: Option<Kind>,
    },
}

impl Event {
    /// Whether it is a sign of work. Retries, warnings and counters are not.
    pub fn is_meaningful(&self) -> bool {
        match self {
            Event::Started { .. }
            | Event::Turn
            | Event::Text { .. }
            | Event::Progress
            | Event::Line(_)
            | Event::ToolUse { .. }
            | Event::Asks(_)
            | Event::ToolResult { .. }
            | Event::Result { .. } => true,
            Event::Steered { .. }
            | Event::Rejected(_)
            | Event::Warning(_)
            | Event::Trouble { .. }
            | Event::RateLimit(_)
            | Event::Version(_)
            | Event::Quota(_)
            | Event::Usage(_)
            | Event::Background(_) => false,
        }
    }
}

/// A call of a tool for people: `Edit src/a.rs`, `Bash cargo test`. Paths below `root` are relative to it.
pub fn describe_call(name: &str, input: &str, operation: &str, root: &Path) -> String {
    let what = match operation.trim() {
        "" => first_text(input).unwrap_or_default(),
        operation => operation.to_owned(),
    };
    format!("{name} {}", relative(&what, root)).trim_end().to_owned()
}

/// The first text in an input that names no operation, such as what is searched for.
fn first_text(input: &str) -> Option<String> {
    let Ok(Value::Object(fields)) = serde_json::from_str(input) else { return None };
    fields.values().find_map(|value| value.as_str().map(str::to_owned))
}

/// A text without `root` before the paths below it.
fn relative(text: &str, root: &Path) -> String {
    if root.as_os_str().is_empty() {
        return text.to_owned();
    }
    let root = format!("{}/", root.display());
    let mut parts = text.split(root.as_str());
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        // Elsewhere it is the middle of another path.
        if !out.chars().next_back().is_none_or(|before| before.is_whitespace() || "'\"`=:(<>".contains(before)) {
            out.push_str(&root);
        }
        out.push_str(part);
    }
    out
}

/// A question whether a tool may be called.
#[derive(Clone, Debug, PartialEq)]
pub struct Ask {
    /// The request's id, as the agent wrote it.
    pub id: String,
    pub tool: String,
    /// The commands, paths and addresses, one a line.
    pub operation: String,
    /// The answers that hold once, in the agent's own words, if it offers them.
    pub allow: Option<String>,
    pub reject: Option<String>,
}

/// What an agent said about its account's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// The service refuses requests until the reset; otherwise this is a warning.
    pub rejected: bool,
    pub resets_at: Option<Stamp>,
    /// Which limit, in the agent's own words.
    pub what: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_of_a_tool_is_described_without_json_and_with_short_paths() {
        let of = |name: &str, input: &str, operation: &str| describe_call(name, input, operation, Path::new("/w/j1"));
        assert_eq!(of("Edit", "{}", "/w/j1/src/a.rs"), "Edit src/a.rs");
        assert_eq!(of("Bash", "{}", "cat '/w/j1/a' >/w/j1/b /x/w/j1/c"), "Bash cat 'a' >b /x/w/j1/c");
        assert_eq!(of("WebSearch", r#"{"query":"rust fork"}"#, ""), "WebSearch rust fork");
        assert_eq!(of("TodoWrite", r#"{"todos":[{"content":"a"}]}"#, ""), "TodoWrite");
        assert_eq!(of("Read", "{\"cut", ""), "Read");
        assert_eq!(describe_call("Read", "{}", "/etc/passwd", Path::new("")), "Read /etc/passwd");
    }
}
