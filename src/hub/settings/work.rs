//! The sections about agents and what becomes of their work: stages, routing, budgets, worktrees, review.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::base::time::span;
use crate::model::agent::{Format, PromptVia};
use crate::model::run::order::{Binding, Spend};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Worktrees {
    /// Command lines that are run once in a new worktree, in order; each must succeed. What they leave must be ignored by git.
    pub setup: Vec<String>,
    /// Files that are copied from the hub into each worktree, by their paths; no commit ever holds them.
    pub copy: Vec<String>,
    /// How many finished worktrees are kept, the newest first.
    pub keep: usize,
    /// How long a finished worktree is kept.
    #[serde(with = "span")]
    pub keep_for: Duration,
}

impl Default for Worktrees {
    fn default() -> Self {
        Self { setup: Vec::new(), copy: Vec::new(), keep: 20, keep_for: Duration::from_secs(7 * 24 * 3600) }
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Pipeline {
    /// What agents' work goes through, where no routing rule says otherwise.
    pub stages: Vec<String>,
    /// How often the coder may try, the first time included.
    pub passes: u32,
}

impl Default for Pipeline {
    fn default() -> Self {
        Self { stages: ["planner", "coder", "tester", "reviewer"].map(str::to_owned).to_vec(), passes: 3 }
    }
}

/// 0 means no limit.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Budget {
    /// Tokens that one job may use; 0 means any number. More opens the breaker.
    pub job_tokens: u64,
    /// Dollars that one job may cost; 0 means any sum. More opens the breaker.
    pub job_cost: f64,
    /// Tokens that all jobs of a day (UTC) may use; 0 means any number. More opens the breaker.
    pub day_tokens: u64,
    /// Dollars that all jobs of a day (UTC) may cost; 0 means any sum. More opens the breaker.
    pub day_cost: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Review {
    /// Whether a person reviews the results of approved commands too, not only those of agents.
    pub commands: bool,
    /// How long a claim is kept while its result waits for a person.
    #[serde(with = "span")]
    pub lease: Duration,
    /// How approved work lands on the target: `squash` (one commit per job), or `merge` (a merge commit that keeps the commits of its branch).
    pub merge: ApprovalMerge,
    /// Whether results are offered as draft pull requests where `gh` and a remote are there.
    pub pull_requests: bool,
    /// How pull requests are merged: `squash`, `merge` or `rebase`; `auto` takes what the repository allows, squash first.
    pub pull_request_merge: Merge,
}

/// How an approval puts work on the target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApprovalMerge {
    #[default]
    Squash,
    Merge,
}

/// A way of merging a pull request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
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
            lease: Duration::from_secs(30 * 24 * 3600),
            merge: ApprovalMerge::Squash,
            pull_requests: true,
            pull_request_merge: Merge::Auto,
        }
    }
}

/// How an agent is called. What is left out comes from the preset of that name, or from `preset`.
///
/// In argument lists `{model}`, `{session}`, `{budget}`, `{prompt}`, `{prompt_file}`, `{worktree}` and `{scratch}`
/// stand for what the foreman fills in, and `{flags}` marks where session, model and `args` go.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Agent {
    /// The preset that this one begins with, when it has another name.
    pub preset: Option<String>,
    /// Program and arguments of an unattended call.
    pub command: Option<Vec<String>>,
    /// Arguments that are added to the command.
    pub args: Vec<String>,
    pub prompt: Option<PromptVia>,
    pub format: Option<Format>,
    /// Arguments that choose a new session's id; without them the agent chooses.
    pub session_args: Option<Vec<String>>,
    /// Arguments that go on with a session; without them every round is a new one.
    pub resume_args: Option<Vec<String>>,
    /// Arguments that name the model.
    pub model_args: Option<Vec<String>>,
    /// Arguments that say what a call may cost, in US dollars: what is left of the job's budget.
    pub budget_args: Option<Vec<String>>,
    /// The model, where role and routing name none.
    pub model: Option<String>,
    /// Environment variables that it inherits, besides the basic ones and the preset's.
    pub env: Vec<String>,
    /// Environment variables that are set for it.
    pub set: BTreeMap<String, String>,
    /// How long the next start of this agent waits for the one before.
    #[serde(with = "span::option")]
    pub stagger: Option<Duration>,
}

/// One rule of `[[routing]]`; what it leaves out is as the settings have it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Covers requests of this complexity (0 to 10) and below.
    pub up_to: u8,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stages: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, Binding>,
    /// What one job may spend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<Spend>,
}
