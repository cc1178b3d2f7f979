//! Git worktrees for workers: creates, finds and removes them.
//!
//! A job's worktree is `<repository>.worktrees/<job>` (see [`beside`]), on a branch of its seat, locked with a reason
//! that names job and run. A worktree without that reason is not teof's: it is neither used nor changed,
//! except that a job adopts one for its time by [`convention`]. Such a
//! worktree is always read with its git directory named: a replaced `.git` in it has no effect.

mod branch;
pub mod checkpoint;
pub mod clean;
pub mod convention;
mod foreign;
pub mod job_refs;
pub mod metadata;
mod place;
mod prepare;
pub(super) mod registry;
pub mod setup;
pub mod size_limit;
mod status;
pub mod unfinished;

pub use checkpoint::filtered::{lfs_object, pointer};
pub use place::{Place, Wanted, beside, every, home, is_task_branch, main_worktree, repository_name};
pub use prepare::prepare;
pub use registry::{Registered, clear_stale, folders_of, is_of_a_job, last_run, linked, links_to, root_of};
pub use status::{Owner, WorktreeStatus, registered, statuses, statuses_of};
