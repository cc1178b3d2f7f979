//! Who gave an operator's command, and when. Only data.

use serde::{Deserialize, Serialize};

use crate::base::Stamp;
use crate::guard::operator::Recognised;

/// An operator's command about a job or task: author, time and note.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
pub struct Word {
    pub by: String,
    pub at: Stamp,
    /// How they were recognised.
    #[serde(default)]
    pub recognised: Recognised,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

impl Word {
    /// Why a task that this command skips is passed over.
    pub fn skipped(&self) -> String {
        format!("skipped by {}", self.by)
    }
}
