//! Settings: flags > `TEOF_*` > `teof.toml` > `$XDG_CONFIG_HOME/teof/config.toml` > the defaults here.
//!
//! An environment variable is named after section and key: `TEOF_COORDINATOR_CONCURRENCY=2`.
//!
//! Guard limits ([`load::GUARD_TERMS`]) come only from the hub: the limited seat must not set them. Those that protect
//! one seat from another count only from a trusted file ([`terms`]).

mod check;
pub mod edit;
mod executor;
pub mod granted;
mod hooks;
pub mod limits;
pub mod load;
pub mod monitor;
pub mod notify;
mod sandbox;
mod sections;
pub mod template;
pub(in crate::hub) mod terms;
mod work;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use executor::{Container, Engine, ExecutorKind};
pub use hooks::{Gate, Hooks};
pub use limits::Limits;
pub use monitor::MonitorRule;
pub use sandbox::{CACHES, Sandbox, SandboxMode, SandboxNetwork};
pub use sections::{
    Claims, Commands, Coordinator, Git, Guard, Lock, Log, LogFormat, LogTo, Overlap, People, Require, Session, Sources,
    Worker,
};
pub use work::{Agent, AgentSessions, ApprovalMerge, Budget, Feedback, Merge, Pipeline, Review, Route, Worktrees};

use crate::model::run::order::{Binding, Guardrails};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    pub people: People,
    pub session: Session,
    pub lock: Lock,
    pub claims: Claims,
    pub log: Log,
    pub git: Git,
    pub sources: Sources,
    pub coordinator: Coordinator,
    pub worker: Worker,
    pub guard: Guard,
    pub hooks: Hooks,
    pub commands: Commands,
    pub worktrees: Worktrees,
    pub agent_sessions: AgentSessions,
    pub pipeline: Pipeline,
    pub budget: Budget,
    pub review: Review,
    /// Agent or command of each role: `[roles.coder]`.
    pub roles: BTreeMap<String, Binding>,
    /// How each agent is called: `[agents.claude]`.
    pub agents: BTreeMap<String, Agent>,
    /// Who is told what happens: `[[notify]]`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notify: Vec<notify::Notify>,
    /// Routing rules; the first one that covers a request's complexity applies: `[[routing]]`.
    pub routing: Vec<Route>,
    /// What is watched for in what agents do, and what follows: `[[monitor]]`.
    pub monitor: Vec<MonitorRule>,
    /// What makes `claims.agent_window` and `session.max_age` count as the file has them, where they do not.
    #[serde(skip)]
    pub restrained: Option<&'static str>,
}

impl Settings {
    /// The guardrails for every result. The folders that work comes from are denied, because a worker must not change
    /// its own tasks.
    pub fn guardrails(&self) -> Guardrails {
        let mut denied = self.guard.denied.clone();
        let asked = [
            (self.sources.vault, format!("/{}/", self.sources.vault_folder.trim_matches('/'))),
            (self.sources.queue, format!("/{}/*.md", self.sources.queue_folder.trim_matches('/'))),
        ];
        let asked = asked.into_iter().filter_map(|(taken, glob)| taken.then_some(glob));
        denied.extend(asked.filter(|glob| !self.guard.denied.contains(glob)));
        Guardrails {
            diff_limit: self.guard.diff_limit,
            tests: self.guard.tests.clone(),
            allowed: self.guard.allowed.clone(),
            denied,
            protected: self.guard.protected.clone(),
            generated: self.guard.generated.clone(),
            copied: self.worktrees.copy.clone(),
            no_output: self.worker.no_output,
            no_event: self.worker.no_event,
            wall: self.worker.wall,
        }
    }
}
