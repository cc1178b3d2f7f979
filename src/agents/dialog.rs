//! What one call says to an agent that speaks a protocol. Its parser says it, message by message.

use std::path::PathBuf;

/// What one call says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dialog {
    pub prompt: String,
    /// Absolute.
    pub worktree: PathBuf,
    /// The session to continue.
    pub session: Option<String>,
    /// Options of the session to choose, as far as the agent offers them.
    pub options: Vec<(String, String)>,
    /// The model to choose, unless an argument names it.
    pub model: Option<String>,
}
