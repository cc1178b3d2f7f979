//! What an agent's stream says, whichever agent it is.

use super::failure::Kind;
use crate::base::Stamp;
use crate::model::agent::Usage;

/// One thing that an agent said or did.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// What is known of the session: its id, its model, or both.
    Started {
        session: Option<String>,
        model: Option<String>,
    },
    /// A turn begins: a result that was printed before is not the last.
    Turn,
    /// What it says; `more` continues the text before.
    Text {
        text: String,
        more: bool,
    },
    /// It lives and thinks, and says nothing that is kept.
    Progress,
    /// It calls a tool; `input` is JSON, clipped.
    ToolUse {
        name: String,
        input: String,
    },
    /// A tool answered; `output` is clipped.
    ToolResult {
        ok: bool,
        output: String,
    },
    /// A tool was not allowed: unattended, nobody can allow it.
    Rejected(String),
    Warning(String),
    /// Something failed and may be tried again by the agent itself: not the end.
    Trouble {
        why: String,
        kind: Kind,
    },
    RateLimit(RateLimit),
    /// What this run used so far, all of it.
    Usage(Usage),
    /// Whether work goes on in the background after a result.
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
    /// Whether it is a sign of work, not only of life: retries, warnings and counters are none.
    pub fn is_meaningful(&self) -> bool {
        match self {
            Event::Started { .. }
            | Event::Turn
            | Event::Text { .. }
            | Event::Progress
            | Event::ToolUse { .. }
            | Event::ToolResult { .. }
            | Event::Result { .. } => true,
            Event::Rejected(_)
            | Event::Warning(_)
            | Event::Trouble { .. }
            | Event::RateLimit(_)
            | Event::Usage(_)
            | Event::Background(_) => false,
        }
    }
}

/// What an agent said about its account's limit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// Nothing more is served before the reset; otherwise it is a warning.
    pub rejected: bool,
    pub resets_at: Option<Stamp>,
    /// Which limit, in the agent's own words.
    pub what: String,
}
