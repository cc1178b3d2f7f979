//! Undoes merged work: the inverse commit, and the step's rollback commands.

pub mod revert;
pub mod rollback;
