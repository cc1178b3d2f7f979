//! The work of a job's order, and how a job ends. Only data.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::model::run::order::Order;

/// The part of a job's order that decisions depend on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(default)]
pub struct Work {
    /// Agents work on it in stages, and a person decides about the result.
    pub staged: bool,
    /// The agents that it needs.
    pub agents: Vec<String>,
    /// Maximum number of coder passes.
    pub passes: u32,
}

impl Work {
    pub fn of(order: &Order) -> Work {
        let agents: BTreeSet<_> = order.roles.values().filter_map(|role| role.agent.clone()).collect();
        Work { staged: !order.stages.is_empty(), agents: agents.into_iter().collect(), passes: order.passes }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Done,
    /// A guard or a person refused it, or every attempt failed.
    Blocked,
    /// Cancelled by an operator; its step is open again.
    Cancelled,
    /// It could not be assigned, or another seat took its claim; nothing was done.
    Dropped,
    /// It was merged, and a person reverted the merge.
    Reverted,
}

impl Ending {
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::Done => "done",
            Ending::Blocked => "blocked",
            Ending::Cancelled => "cancelled",
            Ending::Dropped => "dropped",
            Ending::Reverted => "reverted",
        }
    }
}
