//! The result of a command as the record holds it.

use serde::{Deserialize, Serialize};

use crate::exec::Captured;

/// The result of a command as written to the record.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct CommandResult {
    pub label: String,
    pub cmd: String,
    /// `ok`, `failed`, `timed_out`, `cancelled` or `not_started`.
    pub status: String,
    /// For people: `exit code 3`, `no output for too long`.
    pub outcome: String,
    pub exit_code: Option<i32>,
    /// The signal that ended it.
    #[serde(skip)]
    pub signal: Option<i32>,
    pub duration_seconds: f64,
    pub output: Output,
    /// The end of the output, without secrets.
    pub tail: String,
    /// Processes that it left running and that were stopped.
    pub ended: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub survivors: Vec<String>,
}

/// The raw output; the file is machine-local.
#[derive(Clone, Debug, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Output {
    pub file: String,
    /// Of the file.
    pub sha256: String,
    pub bytes: u64,
    pub kept: u64,
}

impl Output {
    pub fn of(captured: &Captured) -> Self {
        Self {
            file: captured.path.display().to_string(),
            sha256: captured.sha256.clone(),
            bytes: captured.bytes,
            kept: captured.kept,
        }
    }
}

impl CommandResult {
    pub fn succeeded(&self) -> bool {
        self.status == "ok"
    }

    pub fn was_cancelled(&self) -> bool {
        self.status == "cancelled"
    }
}
