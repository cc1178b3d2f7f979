//! How a coding agent takes its prompt, how its output is parsed, and what it used.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::Stamp;

/// The form of an agent's standard output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// `stream-json` as claude prints it; amp, cursor-agent and qwen follow it.
    Claude,
    Codex,
    Gemini,
    Opencode,
    /// The Agent Client Protocol, version 1: a conversation over standard input and output.
    Acp,
    /// `codex app-server`: a conversation over standard input and output.
    #[serde(rename = "codex-app-server")]
    CodexAppServer,
    /// Plain text: no events, no usage; the exit code and the evidence decide.
    Text,
}

impl Format {
    /// As the settings name it.
    pub fn name(self) -> &'static str {
        match self {
            Format::Claude => "claude",
            Format::Codex => "codex",
            Format::Gemini => "gemini",
            Format::Opencode => "opencode",
            Format::Acp => "acp",
            Format::CodexAppServer => "codex-app-server",
            Format::Text => "text",
        }
    }

    /// Whether prompt, session and model go through a protocol, in which the agent is also answered.
    pub fn is_protocol(self) -> bool {
        matches!(self, Format::Acp | Format::CodexAppServer)
    }
}

/// How the prompt reaches the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PromptVia {
    /// Written to standard input, which is then closed.
    Stdin,
    /// A message of claude's `--input-format stream-json` on standard input, which stays open for more messages until
    /// the agent's result.
    Stream,
    /// In place of `{prompt}` in the arguments.
    Argument,
    /// In a file named in place of `{prompt_file}`.
    File,
}

/// What an agent used, as reported by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Usage {
    /// Tokens read, cached ones included.
    pub input_tokens: u64,
    /// Those of them that came from a cache.
    pub cached_tokens: u64,
    /// Tokens written, reasoning included.
    pub output_tokens: u64,
    /// US dollars; `None` when the agent does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost_usd: Option<f64>,
}

/// A session of an agent's that can be continued, and what it used so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct AgentSession {
    /// The agent's name in the settings.
    pub agent: String,
    /// The session's id, the agent's own.
    pub id: String,
    /// Where it worked: agents find their sessions again only there.
    pub worktree: String,
    #[serde(default)]
    pub usage: Usage,
}

/// How much of one of an account's limits is used, in the agent's own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Quota {
    /// Which limit: `five_hour`, `seven_day`.
    pub window: String,
    /// In percent.
    pub used: u8,
    /// When the window ends and the count starts again.
    pub until: Stamp,
}

/// The quotas of each agent, by its name in the settings.
pub type Quotas = BTreeMap<String, Vec<Quota>>;

/// How many windows an account can have; more are not stored.
const WINDOWS: usize = 8;

impl Quota {
    /// Adds a report, in place of an earlier one about the same window.
    pub fn add(self, known: &mut Vec<Quota>) {
        match known.iter().position(|one| one.window == self.window) {
            Some(at) => known[at] = self,
            None if known.len() < WINDOWS => known.push(self),
            None => {}
        }
    }

    /// For people: `93 % of its 5-hour limit`.
    pub fn describe(&self) -> String {
        let window = match self.window.as_str() {
            "five_hour" => "5-hour".to_owned(),
            "seven_day" => "7-day".to_owned(),
            other => other.replace('_', " "),
        };
        format!("{} % of its {window} limit", self.used)
    }
}

/// More than any job costs, in US dollars; a higher value is wrong and counts as this.
const MOST_COST: f64 = 1e6;

impl Usage {
    pub fn tokens(&self) -> u64 {
        self.input_tokens.saturating_add(self.output_tokens)
    }

    /// The sum; a cost that only one of them has counts alone.
    #[must_use]
    pub fn plus(self, other: Usage) -> Usage {
        let cost_usd = match (self.cost_usd, other.cost_usd) {
            (None, None) => None,
            (a, b) => Some((a.unwrap_or(0.0) + b.unwrap_or(0.0)).min(MOST_COST)),
        };
        Usage {
            input_tokens: self.input_tokens.saturating_add(other.input_tokens),
            cached_tokens: self.cached_tokens.saturating_add(other.cached_tokens),
            output_tokens: self.output_tokens.saturating_add(other.output_tokens),
            cost_usd,
        }
    }
}
