//! The repository as git sees it: the git program, its configuration, object ids and ancestry.

pub mod ancestry;
pub mod bounded_process;
pub mod command;
pub mod errors;
pub mod gh;
pub mod libgit2;
pub mod object_ids;
pub mod partial;
pub mod programs;
pub mod reflog;
pub mod sparse;
pub mod tracked;

pub use command::{Git, KILLED, OUTSIDE_SUBMODULES, check_killed, complaint, failed, forget_location};
