//! The repository as git sees it: the git program, its configuration, object ids, attributes and locks.

pub mod ancestry;
pub mod attributes;
pub mod bounded_process;
pub mod clone_fidelity;
pub mod command;
pub mod errors;
pub(super) mod filtered;
pub mod identity;
pub mod libgit2;
pub mod locks;
pub mod object_ids;
pub mod programs;
pub mod sparse;
pub mod tracked;

pub use command::{Git, KILLED, check_killed, complaint, failed, forget_location};
