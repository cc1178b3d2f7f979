//! The target branch: the merged tree, its commit, its tests, and the move of the ref.

pub mod landed;
pub mod merge;
pub mod merged_branches;
pub(super) mod message;
pub mod newer;
pub(super) mod recover;
pub mod ref_move;
pub(super) mod sign;
pub mod temp_worktree;
pub mod update_target;
