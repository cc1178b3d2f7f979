//! What a new worktree gets: untracked files of the checkout, the results of its set-up, and a slot of its own.

pub mod cache;
mod copied;
mod include;
mod same;
mod slots;
mod tree_copy;

pub use copied::{copy_in, remember_filtered, revert};
pub use include::{Included, Original, bring, included, listed};
pub use same::Comparison;
pub use slots::{Slot, of as slot_of};
