//! Trial merges of jobs' work with each other. Only data.

use serde::{Deserialize, Serialize};

/// How many conflicting files are stored; more are only counted.
pub const LISTED: usize = 20;

/// The merge of two jobs' newest checkpoints. Only what came of it is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Trial {
    /// The jobs' ids, the older one first.
    pub jobs: [String; 2],
    pub commits: [String; 2],
    /// The files that both changed in ways that do not go together; empty when the merge is clean.
    pub files: Vec<String>,
    /// It could not be tried, so nothing is known of these commits. It is tried again when a job has a newer one.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub failed: bool,
    /// How many more such files there are.
    #[serde(default, skip_serializing_if = "crate::model::is_default")]
    pub more: usize,
}
