//! What the monitor of agents' streams noticed: dangerous operations and errors, and what followed.

use serde::{Deserialize, Serialize};

use crate::base::{Stamp, digest, text};
use crate::model::is_default;

/// The rule of an error that no rule of the settings matched.
pub const ERROR: &str = "error";

/// How grave it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    Info,
    #[default]
    Warning,
    Critical,
}

/// What follows when a rule matches; each one includes those before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The rule is off.
    Ignore,
    #[default]
    Record,
    /// An alert on the bus, for notifications.
    Notify,
    /// The job stops after this stage and asks a person.
    Pause,
    /// The agent is stopped at once and the job is blocked; its work is kept.
    Cancel,
}

/// What a rule is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum On {
    /// The commands, paths and addresses that an agent gives to a tool.
    #[default]
    Tool,
    /// What a tool that failed printed, and errors of the agent itself.
    Error,
}

/// One operation or error that a rule matched. Every text is one line, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Noticed {
    pub rule: String,
    pub class: Class,
    pub action: Action,
    /// The tool that was called or failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<String>,
    /// The operation, or the error: of a long one the beginning.
    pub text: String,
    /// Of a long one: the digest of the whole text, without secrets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text_sha256: Option<String>,
    /// The digest of all of it, by which it is recognised: of a long operation, and of one with secrets, `text` is a
    /// part. Not in the record, since a short secret can be guessed from it.
    #[serde(skip)]
    pub digest: String,
    /// When it was seen first.
    pub at: Stamp,
    /// How often it was seen again.
    #[serde(default, skip_serializing_if = "is_default")]
    pub again: u64,
}

/// The digests of operations that a person decided about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Decided {
    pub allowed: Vec<String>,
    pub refused: Vec<String>,
}

/// How many errors of each class an agent's tools and the agent itself had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Errors {
    /// Permission denied, not logged in.
    pub critical: u64,
    /// A file that does not exist, a command that failed.
    pub warning: u64,
    /// Retries and notices.
    pub info: u64,
}

impl Class {
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Info => "info",
            Class::Warning => "warning",
            Class::Critical => "critical",
        }
    }
}

impl Errors {
    pub fn count(&mut self, class: Class) {
        *match class {
            Class::Critical => &mut self.critical,
            Class::Warning => &mut self.warning,
            Class::Info => &mut self.info,
        } += 1;
    }

    pub fn total(self) -> u64 {
        self.critical + self.warning + self.info
    }
}

impl Noticed {
    /// The longest text, in characters.
    pub const MAX_TEXT: usize = 300;

    /// A text without secrets as it is kept, and the digest of the whole when only its beginning is.
    pub fn kept(text: &str) -> (String, Option<String>) {
        let whole = text::safe(text);
        let whole = whole.trim();
        let kept = text::clip(whole, Self::MAX_TEXT);
        let is_clipped = kept != whole;
        (kept, is_clipped.then(|| digest::sha256(whole.as_bytes())))
    }

    /// Whether it is the same operation or error again, by what a record keeps of both.
    pub fn is_same(&self, other: &Noticed) -> bool {
        (&self.rule, &self.text, &self.text_sha256) == (&other.rule, &other.text, &other.text_sha256)
    }

    /// An error that is critical by its words, and that no rule of the settings is about.
    pub fn is_critical_error(&self) -> bool {
        self.rule == ERROR && self.class == Class::Critical && self.action < Action::Notify
    }

    /// For people: `force-push: git push --force`.
    pub fn describe(&self) -> String {
        format!("{}: {}", self.rule, self.text)
    }
}
