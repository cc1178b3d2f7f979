//! The outcome that a worker reports to the coordinator when it ends: machine-local, `runs/<run>.json`.

use serde::{Deserialize, Serialize};

use crate::base::Stamp;
use crate::model::agent::{AgentSession, Quotas, Usage};
use crate::model::event::Severity;
use crate::model::is_default;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Checks passed, ready to merge.
    Succeeded,
    /// A command or the machine failed; another attempt may do better.
    Failed,
    /// A guard refused the result; no retry.
    Blocked,
    /// Stopped at a stage boundary: consent revoked, or stopped on request.
    Paused,
    /// Nothing was started: the order, the claim or the session did not allow it.
    Refused,
}

#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Outcome {
    pub run: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    pub task_id: String,
    pub agent_id: String,
    pub verdict: Verdict,
    /// One line for people.
    pub reason: String,
    pub findings: Vec<Finding>,
    /// Findings of the scan after the work that the scan before it did not have; a high one opens the breaker.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub scan: Vec<Finding>,
    pub branch: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
    /// Relative to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub envelope: Option<String>,
    /// The review bundle, relative to the hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// Relative to the hub.
    pub receipts: Vec<String>,
    /// What all agents of the job used so far, in this run.
    #[serde(default)]
    pub usage: Usage,
    /// The coder's passes so far.
    #[serde(default)]
    pub passes: u32,
    /// The coder's last session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<AgentSession>,
    /// An agent is suspended: not a failure, and not retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspended: Option<Suspended>,
    /// What its agents last said of their accounts' limits.
    #[serde(default, skip_serializing_if = "Quotas::is_empty")]
    pub quotas: Quotas,
    /// It needs a person's action, so it is not retried; the reason has the fix.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_person: bool,
    /// The last output of what made it fail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_output: Option<LastOutput>,
    /// The question of an agent; the run is paused until a person answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub question: Option<String>,
    pub started_at: Stamp,
    pub finished_at: Stamp,
}

/// The last lines of an agent or a command, without secrets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct LastOutput {
    /// Whose: `coder (claude)`, or the command.
    pub of: String,
    /// May be empty.
    pub text: String,
    /// The file with the complete output, on this machine.
    pub file: String,
}

/// A suspended agent: its account is at a limit, or its service is down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Suspended {
    pub agent: String,
    /// The end of the limit; for an outage, when it was seen.
    pub until: Stamp,
    /// What the agent said.
    pub reason: String,
    /// The service or the connection fails: retried after growing waits.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outage: bool,
}

/// A finding of a guard, a check or a sentinel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Finding {
    /// Stable, dotted: `diff.too_large`, `path.denied`.
    pub code: String,
    /// `low`, `medium` or `high`.
    pub severity: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u64>,
    pub message: String,
    /// How to fix it; never something destructive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hint: Option<String>,
    /// How many more findings like this are not listed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub more: u64,
}

/// The severity says what follows: `high` stops, `medium` needs a person, `low` is a note.
impl Finding {
    /// An empty `path` means no specific file.
    pub fn new(severity: Severity, code: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.to_owned(),
            severity: severity.as_str().to_owned(),
            path: Some(path.into()).filter(|path| !path.is_empty()),
            line: None,
            message: message.into(),
            hint: None,
            more: 0,
        }
    }

    /// The message, with how many more there are.
    pub fn describe(&self) -> String {
        match self.more {
            0 => self.message.clone(),
            n => format!("{} (and {n} more like this)", self.message),
        }
    }

    pub fn high(code: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::High, code, path, message)
    }

    pub fn medium(code: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Medium, code, path, message)
    }

    pub fn low(code: &str, path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(Severity::Low, code, path, message)
    }

    /// Names the line, counted from 1.
    #[must_use]
    pub fn at(mut self, line: u64) -> Self {
        self.line = Some(line);
        self
    }

    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub fn stops(&self) -> bool {
        self.severity == Severity::High.as_str()
    }

    pub fn needs_person(&self) -> bool {
        self.severity == Severity::Medium.as_str()
    }
}
