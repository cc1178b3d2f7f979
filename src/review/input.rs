//! What a person passes to a review command.

use super::decision::PolicyUse;
use crate::guard::operator::Recognised;

/// The person who decides about finished work, and the options.
#[derive(Clone, Debug)]
pub struct ReviewInput {
    pub by: String,
    /// How the person was recognised.
    pub recognised: Recognised,
    pub note: Option<String>,
    pub job: JobState,
    /// After a revert: whether to start the work again at once. Otherwise its step waits for a person.
    pub redo: bool,
    pub newer: NewerCommits,
    /// A granted policy decides instead of a person.
    pub policy: Option<PolicyUse>,
}

/// The state of the job whose result is decided: who can resolve a conflict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It waits for this decision; a conflict goes back to its coder.
    Open,
    /// It was sent back; its coder merges the target when it continues.
    Continues,
    /// It has finished; a person merges by hand.
    Finished,
}

/// What to do with commits added to the branch after the review.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum NewerCommits {
    /// Refuse an approval while there are any.
    #[default]
    Ask,
    /// Merge them with the work, up to this commit, which must be the newest.
    Include(String),
    /// Do not merge them; they stay on the branch.
    Leave,
}
