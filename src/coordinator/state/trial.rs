//! Trial merges of jobs' work with each other. Only data.

use serde::{Deserialize, Serialize};

/// How many conflicting files are stored; more are only counted.
pub const LISTED: usize = 20;

/// The merge of two jobs' newest checkpoints, tried in memory of nobody: it is on no branch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trial {
    /// The jobs' ids, the older one first.
    pub jobs: [String; 2],
    pub commits: [String; 2],
    /// The files that both changed in ways that do not go together; empty when the merge is clean.
    pub files: Vec<String>,
    /// How many more such files there are.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub more: usize,
}
