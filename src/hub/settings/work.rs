//! The settings of agents and their work: stages, routing, budgets, worktrees, review.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::sections::LOCK_FILES;
use crate::base::time::{Span, span};
use crate::model::agent::{Format, PromptVia};
use crate::model::run::order::{Binding, Spend};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Worktrees {
    /// Command lines that run once in a new worktree, in order; each must succeed. Git must ignore the files they
    /// create.
    pub setup: Vec<String>,
    /// Paths of files that are copied from the hub, or else from the main worktree, into each worktree; they are never
    /// committed.
    pub copy: Vec<String>,
    /// Folders and files made by `setup`, ignored by git, that are kept for the next worktree with the same key files.
    pub cache: Vec<String>,
    /// Files whose contents tell whether what is cached is still right; empty means the package managers' lock files at
    /// the top.
    pub cache_key: Vec<String>,
    /// The port of slot 0; a worktree's `TEOF_PORT_BASE` is this plus its `TEOF_SLOT` times `ports_each`.
    pub ports_from: u16,
    /// How many ports each worktree has.
    pub ports_each: u16,
    /// How many worktrees can have ports at the same time, the main one included.
    pub slots: u16,
    /// How many finished worktrees are kept, newest first.
    pub keep: usize,
    /// How long a finished worktree is kept.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub keep_for: Duration,
}

impl Default for Worktrees {
    fn default() -> Self {
        Self {
            setup: Vec::new(),
            copy: Vec::new(),
            cache: Vec::new(),
            cache_key: Vec::new(),
            ports_from: 20_000,
            ports_each: 20,
            slots: 500,
            keep: 20,
            keep_for: Duration::from_secs(7 * 24 * 3600),
        }
    }
}

impl Worktrees {
    /// The files that `cache` depends on.
    #[must_use]
    pub fn key_files(&self) -> Vec<String> {
        match self.cache_key.is_empty() {
            true => LOCK_FILES.map(str::to_owned).to_vec(),
            false => self.cache_key.clone(),
        }
    }

    /// The first error.
    pub(super) fn check(&self) -> Result<(), String> {
        let ports = u32::from(self.ports_each) * u32::from(self.slots);
        if self.ports_each == 0 || self.slots < 2 {
            return Err("[worktrees] ports_each must be 1 or more, and slots 2 or more".to_owned());
        }
        if self.ports_from < 1024 || u32::from(self.ports_from) + ports > 65_536 {
            let last = u32::from(self.ports_from) + ports - 1;
            return Err(format!("[worktrees] ports {} to {last}: valid ports are 1024 to 65535", self.ports_from));
        }
        let is_plain = |path: &&String| {
            let mut parts = std::path::Path::new(path.as_str()).components().peekable();
            parts.peek().is_some() && parts.all(|part| matches!(part, std::path::Component::Normal(_)))
        };
        match self.cache.iter().chain(&self.cache_key).find(|path| !is_plain(path)) {
            Some(odd) => Err(format!("[worktrees] cache: {odd:?} is not a path inside the repository")),
            None => Ok(()),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct AgentSessions {
    /// How long sessions, workers' logs and outcomes are kept on this machine after their job.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub keep_for: Duration,
    /// How many bytes of ended sessions are kept, newest first.
    pub keep_bytes: u64,
    /// Whether the coordinator archives each session of a finished job under `_report/`, and removes none before.
    pub archive: bool,
}

impl Default for AgentSessions {
    fn default() -> Self {
        Self { keep_for: Duration::from_secs(30 * 24 * 3600), keep_bytes: 4 << 30, archive: false }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// Stages of agents' work, unless a routing rule sets others.
    pub stages: Vec<String>,
    /// Maximum number of coder passes, including the first.
    pub passes: u32,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { stages: ["planner", "coder", "tester", "reviewer"].map(str::to_owned).to_vec(), passes: 3 }
    }
}

/// 0 means no limit.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Token limit per job; 0 means no limit. Exceeding it opens the breaker.
    pub job_tokens: u64,
    /// Cost limit per job in US dollars; 0 means no limit. Exceeding it opens the breaker.
    pub job_cost: f64,
    /// Token limit per day (UTC) for all jobs; 0 means no limit. Exceeding it opens the breaker.
    pub day_tokens: u64,
    /// Cost limit per day (UTC) for all jobs in US dollars; 0 means no limit. Exceeding it opens the breaker.
    pub day_cost: f64,
    /// Percent of an agent's own limit, as the agent reports it, from which on only work of `quota_priority` or more
    /// urgent work starts on it, until the limit's window ends; 0 means that all work does.
    pub quota_threshold: u8,
    /// That priority: `urgent`, `high`, `medium` or `low`.
    pub quota_priority: String,
}

impl Default for Budget {
    fn default() -> Self {
        let (job_tokens, job_cost, day_tokens, day_cost) = Default::default();
        Self { job_tokens, job_cost, day_tokens, day_cost, quota_threshold: 90, quota_priority: "medium".into() }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Review {
    /// Whether a person also reviews the results of approved commands, not only those of agents.
    pub commands: bool,
    /// How long a claim is kept while its result waits for a person.
    #[serde(with = "span")]
    #[schemars(with = "Span")]
    pub lease: Duration,
    /// Priorities (`urgent`, `high`, `medium`, `low`) of which agents' work is merged without a person, when all tests
    /// passed, the reviewer is sure enough and nothing is unusual; needs `allow_apply` in the consent.
    pub auto: Vec<String>,
    /// How sure the reviewer must be for that, in percent.
    pub auto_confidence: u8,
    /// How approved work lands on the target: `squash` (one commit per job), or `merge` (a merge commit that keeps the
    /// commits of its branch).
    pub merge: ApprovalMerge,
    /// Whether results become draft pull requests, if `gh` and a remote are available.
    pub pull_requests: bool,
    /// What of an open pull request goes back to the coder: `all` (failing checks, and review comments of people who
    /// may write to the repository), `checks`, or `off`.
    pub feedback: Feedback,
    /// Logins whose comments count, the account that opened the pull request included; empty: everybody's who may
    /// write, except that account's.
    pub feedback_from: Vec<String>,
    /// How pull requests are merged: `squash`, `merge` or `rebase`; `auto` uses what the repository allows, squash
    /// first.
    pub pull_request_merge: Merge,
}

/// How an approval merges work into the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalMerge {
    #[default]
    Squash,
    Merge,
}

/// What of a pull request goes back to the coder.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Feedback {
    #[default]
    All,
    Checks,
    Off,
}

/// A merge method for pull requests.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Merge {
    #[default]
    Auto,
    Squash,
    Merge,
    Rebase,
}

impl Default for Review {
    fn default() -> Self {
        Self {
            commands: false,
            auto: Vec::new(),
            auto_confidence: 90,
            lease: Duration::from_secs(30 * 24 * 3600),
            merge: ApprovalMerge::Squash,
            pull_requests: true,
            feedback: Feedback::All,
            feedback_from: Vec::new(),
            pull_request_merge: Merge::Auto,
        }
    }
}

/// How an agent is called. Missing values come from the preset of that name, or from `preset`.
///
/// In argument lists `{model}`, `{session}`, `{budget}`, `{prompt}`, `{prompt_file}`, `{worktree}` and `{scratch}`
/// are filled in by the foreman, and `{flags}` marks where session, model and `args` go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// The preset to start from, if its name differs.
    pub preset: Option<String>,
    /// Program and arguments of an unattended call.
    pub command: Option<Vec<String>>,
    /// Arguments added to the command.
    pub args: Vec<String>,
    pub prompt: Option<PromptVia>,
    pub format: Option<Format>,
    /// Arguments that set a new session's id; without them the agent chooses.
    pub session_args: Option<Vec<String>>,
    /// Arguments that resume a session; without them every round starts a new one.
    pub resume_args: Option<Vec<String>>,
    /// Arguments that name the model.
    pub model_args: Option<Vec<String>>,
    /// Arguments that limit a call's cost in US dollars, to what is left of the job's budget.
    pub budget_args: Option<Vec<String>>,
    /// The model, unless role or routing sets one.
    pub model: Option<String>,
    /// With `format = "acp"`: options of its sessions to choose, by their id, such as `mode`. With
    /// `format = "codex-app-server"`: parameters of its threads, such as `personality`.
    pub options: BTreeMap<String, String>,
    /// Environment variables that it inherits, in addition to the basic ones and the preset's.
    pub env: Vec<String>,
    /// Environment variables set for it.
    pub set: BTreeMap<String, String>,
    /// Paths outside of the worktree that it has to write, in addition to the preset's: its sessions, logs and login.
    /// Absolute, or from `~`; a folder that ends with a slash is created. Only granted settings count.
    pub write: Vec<String>,
    /// How long a start of this agent waits for the previous start.
    #[serde(with = "span::option")]
    #[schemars(with = "Option<Span>")]
    pub stagger: Option<Duration>,
}

/// One rule of `[[routing]]`; missing values come from the other settings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Covers requests up to this complexity (0 to 10).
    pub up_to: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Binding>,
    /// What one job may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Spend>,
}
