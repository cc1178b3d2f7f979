//! Git worktrees for workers: made, found again, never taken from somebody else.
//!
//! A job's worktree is `<repository>.worktrees/<job>` (see [`beside`]), on a branch of its seat, locked with a reason
//! that names job and run. What does not carry that reason is not ours: it is neither used nor touched.
//! The git directory is named wherever such a worktree is read: a `.git` replaced there means nothing.

mod branch;
pub mod checkpoint;
pub mod clean;
mod foreign;
pub mod half_made;
pub mod job_refs;
pub mod metadata;
mod place;
mod prepare;
pub(super) mod registry;
pub mod setup;
pub mod size_limit;
mod status;

pub use super::git::filtered::{lfs_object, pointer};
pub use place::{Place, Wanted, beside, every, home, main_worktree};
pub use prepare::prepare;
pub use registry::{clear_stale, folders_of, last_run, linked, root_of};
pub use status::{Seen, Whose, seen};
