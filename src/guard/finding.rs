//! What a guard found, in one shape for all of them.

use crate::model::event::Severity;
use crate::model::outcome;

/// One finding. Text in it may come from agents: it is data, made safe where it is printed.
///
/// The severity says what follows. `High` stops: the result is blocked, `scan` and `preflight` exit
/// with 1. `Medium` needs a person. `Low` is worth a look.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Stable, dotted: `diff.too_large`, `path.denied`.
    pub code: &'static str,
    pub severity: Severity,
    /// Relative to the repository; empty when it is about no file in particular.
    pub path: String,
    /// Counted from 1.
    pub line: Option<u64>,
    pub message: String,
    /// What to do about it; never something destructive.
    pub hint: String,
}

impl Finding {
    pub fn new(severity: Severity, code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code, severity, path: path.into(), line: None, message: message.into(), hint: String::new() }
    }

    pub fn high(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::High, code, path, message)
    }

    pub fn medium(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Medium, code, path, message)
    }

    pub fn low(code: &'static str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Low, code, path, message)
    }

    #[must_use]
    pub fn at(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    pub fn blocks(&self) -> bool {
        self.severity == Severity::High
    }

    pub fn needs_person(&self) -> bool {
        self.severity == Severity::Medium
    }
}

impl From<Finding> for outcome::Finding {
    fn from(found: Finding) -> Self {
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self {
            code: found.code.to_owned(),
            severity: found.severity.as_str().to_owned(),
            path: some(found.path),
            line: found.line,
            message: found.message,
            hint: some(found.hint),
        }
    }
}
