//! Settings: flags > `TEOF_*` > `teof.toml` > `$XDG_CONFIG_HOME/teof/config.toml` > the defaults here.
//!
//! An environment variable is named after section and key: `TEOF_COORDINATOR_CONCURRENCY=2`.
//!
//! The terms of guards ([`load::GUARD_TERMS`]) are the hub's alone: whoever is held to one does not set it.

mod check;
pub mod granted;
pub mod load;
mod sections;
pub mod template;
mod work;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use sections::{Claims, Commands, Coordinator, Git, Guard, Lock, Log, People, Require, Session, Sources, Worker};
pub use work::{Agent, ApprovalMerge, Budget, Merge, Pipeline, Review, Route, Worktrees};

use crate::model::run::order::{Binding, Guardrails};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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
    pub commands: Commands,
    pub worktrees: Worktrees,
    pub pipeline: Pipeline,
    pub budget: Budget,
    pub review: Review,
    /// Role to who plays it: `[roles.coder]`.
    pub roles: BTreeMap<String, Binding>,
    /// Name to how it is called: `[agents.claude]`.
    pub agents: BTreeMap<String, Agent>,
    /// The first rule that covers a request's complexity decides: `[[routing]]`.
    pub routing: Vec<Route>,
}

impl Settings {
    /// What every result is held to. What is asked for is not for the asked to change: the folders that
    /// work is taken from are denied.
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
