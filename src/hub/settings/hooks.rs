//! The settings of `teof hook`, with which agent programs that teof did not start keep its rules: `[hooks]`.

use serde::{Deserialize, Serialize};

/// What a hook does about something that a rule is against.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Gate {
    /// Nothing.
    Off,
    /// It tells the agent, and lets it go on.
    #[default]
    Warn,
    /// It refuses the tool call, and tells the agent why.
    Refuse,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// `off`, `warn` or `refuse`: an agent edits a file that git tracks, or a new one, while its seat holds no task.
    pub claim: Gate,
    /// `off`, `warn` or `refuse`: an agent edits a path that results must not change.
    pub denied: Gate,
    /// `off`, `warn` or `refuse`: an agent does something that a rule of `[[monitor]]` notifies of. A rule that cancels
    /// always refuses.
    pub danger: Gate,
    /// Whether an agent that wants to stop is told, once, what its seat has not reported.
    pub remind: bool,
    /// Refuse a tool call that teof fails to check; otherwise it is allowed, with a warning.
    pub refuse_on_error: bool,
}

impl Default for Hooks {
    fn default() -> Self {
        Self { claim: Gate::Warn, denied: Gate::Refuse, danger: Gate::Warn, remind: true, refuse_on_error: false }
    }
}
