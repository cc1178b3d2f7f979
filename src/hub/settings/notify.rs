//! The settings of notifications: `[[notify]]`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::names;
use crate::base::time::{Span, span};

/// What a notification is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Topic {
    /// A job is done.
    Completed,
    /// A job is blocked.
    Failed,
    /// An agent waits for an answer.
    Question,
    /// An agent or worker gives no sign of life.
    Stuck,
    /// A result, or a task, waits for a person's approval.
    Approval,
    /// The breaker opened.
    Breaker,
    /// A worker or the coordinator died, and its work goes on.
    Recovered,
    /// An account limit or an outage.
    Limit,
    /// The machine or the settings keep work from starting, or a rule noticed what an agent did.
    Problem,
    /// `teof notify test`
    Test,
}

impl Topic {
    pub fn as_str(self) -> &'static str {
        match self {
            Topic::Completed => "completed",
            Topic::Failed => "failed",
            Topic::Question => "question",
            Topic::Stuck => "stuck",
            Topic::Approval => "approval",
            Topic::Breaker => "breaker",
            Topic::Recovered => "recovered",
            Topic::Limit => "limit",
            Topic::Problem => "problem",
            Topic::Test => "test",
        }
    }

    /// Whether somebody should look soon.
    pub fn is_urgent(self) -> bool {
        !matches!(self, Topic::Completed | Topic::Recovered | Topic::Limit | Topic::Test)
    }
}

/// Where a notification goes without a command of one's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    Desktop,
    Webhook,
    Ntfy,
    Slack,
}

impl Preset {
    pub fn as_str(self) -> &'static str {
        match self {
            Preset::Desktop => "desktop",
            Preset::Webhook => "webhook",
            Preset::Ntfy => "ntfy",
            Preset::Slack => "slack",
        }
    }
}

/// One receiver of notifications.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Notify {
    /// Its name; empty means the preset's, or the program's.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preset: Option<Preset>,
    /// Program and arguments; it reads the event as JSON from stdin.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// Where webhook, ntfy (with the topic) and slack send to.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url: String,
    /// A file that holds the URL, where the URL is a secret.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub url_file: String,
    /// A file that holds a bearer token.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub token_file: String,
    /// The topics; empty means all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub on: Vec<Topic>,
    /// How long the same notification is not repeated.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub repeat: Duration,
    /// At most so many urgent ones in an hour, and as many others; the next one says how many were left out.
    pub per_hour: u32,
    /// How long a delivery may take.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub timeout: Duration,
}

impl Default for Notify {
    fn default() -> Self {
        Self {
            name: String::new(),
            preset: None,
            command: Vec::new(),
            url: String::new(),
            url_file: String::new(),
            token_file: String::new(),
            on: Vec::new(),
            repeat: Duration::from_secs(3600),
            per_hour: 20,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Notify {
    /// What it is called.
    pub fn label(&self) -> &str {
        let program = || self.command.first().map_or("", |program| program.rsplit('/').next().unwrap_or(program));
        match self.preset {
            _ if !self.name.is_empty() => &self.name,
            Some(preset) => preset.as_str(),
            None => program(),
        }
    }

    /// The first error.
    pub(super) fn check(&self) -> Result<(), String> {
        let label = self.label();
        if !names::is_id(label) {
            return Err(format!("name {label:?} has other characters than letters, digits, '.', '_' and '-'"));
        }
        match (self.preset, self.command.first()) {
            (None, None) => {
                return Err(format!("{label:?} needs a preset (desktop, webhook, ntfy, slack) or a command"));
            }
            (Some(_), Some(_)) => return Err(format!("{label:?}: set either preset or command, not both")),
            (None, Some(program)) if program.contains('/') && !program.starts_with('/') => {
                return Err(format!("{label:?}: the command must be a program of PATH or an absolute path"));
            }
            (Some(Preset::Desktop), _) | (None, Some(_)) => {}
            (Some(_), None) if self.url.is_empty() == self.url_file.is_empty() => {
                return Err(format!("{label:?}: set either url or url_file"));
            }
            (Some(_), None) => {}
        }
        let files = [&self.url_file, &self.token_file];
        if let Some(file) = files.into_iter().find(|file| !file.is_empty() && !file.starts_with(['/', '~'])) {
            return Err(format!("{label:?}: {file:?} is not an absolute path"));
        }
        if !self.url.is_empty() && !is_url(&self.url) {
            return Err(format!("{label:?}: url must begin with https:// or http://"));
        }
        Ok(())
    }
}

/// Whether it is an address that curl may be given.
pub fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| !rest.is_empty()) && !text.contains(|c: char| c.is_control() || c.is_whitespace())
}
