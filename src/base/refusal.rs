//! A refusal: what a command did not do, why, and what to do next.
//!
//! A refusal is data that travels inside [`anyhow::Error`]; `cli/` turns it into words or JSON.
//! Its `next` lines may never propose something destructive.

use std::fmt;

use serde_json::{Map, Value};

/// Every fallible function of the crate: an [`anyhow::Error`] that may carry a [`Refusal`].
///
/// An error with a [`Refusal`] in its chain is an answer to the user; one without is a fault of teof or of the
/// machine, with exit code 70.
pub type Result<T, E = anyhow::Error> = std::result::Result<T, E>;

/// The documented exit codes of the binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// A check or guard refused.
    Refused = 1,
    /// The command line was wrong.
    Usage = 2,
    /// Held by another.
    Held = 3,
    /// Not found.
    NotFound = 4,
    /// Timed out waiting.
    TimedOut = 5,
    /// Breaker open or consent missing.
    Unattended = 6,
    /// A fault of teof or of the machine.
    Fault = 70,
}

/// A refusal with `message` (what), `reason` (why) and `next` (how to fix it).
#[derive(Clone, Debug)]
pub struct Refusal {
    pub exit: Exit,
    /// Stable, dotted, for machines: `claim.held`, `session.stale`.
    pub code: &'static str,
    pub message: String,
    pub reason: Option<String>,
    pub next: Vec<String>,
    /// Further facts for `--json`, such as holder and expiry.
    pub data: Map<String, Value>,
}

impl Refusal {
    pub fn new(exit: Exit, code: &'static str, message: impl Into<String>) -> Self {
        Self { exit, code, message: message.into(), reason: None, next: Vec::new(), data: Map::new() }
    }

    /// A check or guard refused (exit 1).
    pub fn guard(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Refused, code, message)
    }

    /// The command line or an input value was wrong (exit 2).
    pub fn usage(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Usage, code, message)
    }

    /// Held by another (exit 3).
    pub fn held(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Held, code, message)
    }

    /// Not found (exit 4).
    pub fn not_found(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::NotFound, code, message)
    }

    /// Consent missing or breaker open (exit 6).
    pub fn unattended(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(Exit::Unattended, code, message)
    }

    #[must_use]
    pub fn because(mut self, reason: impl Into<String>) -> Self {
        self.reason = Some(reason.into());
        self
    }

    /// Adds one fix, usually a command line.
    #[must_use]
    pub fn next(mut self, step: impl Into<String>) -> Self {
        self.next.push(step.into());
        self
    }

    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.data.insert(key.to_owned(), value.into());
        self
    }

    /// The refusal inside an error, if it carries one.
    pub fn of(error: &anyhow::Error) -> Option<&Refusal> {
        error.downcast_ref::<Refusal>()
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Refusal {}
