//! The events of an agent's stream, the same for every agent.

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
            | Event::ToolResult { .. }
            | Event::Result { .. } => true,
            Event::Rejected(_)
            | Event::Warning(_)
            | Event::Trouble { .. }
            | Event::RateLimit(_)
            | Event::Quota(_)
            | Event::Usage(_)
            | Event::Background(_) => false,
        }
    }
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
