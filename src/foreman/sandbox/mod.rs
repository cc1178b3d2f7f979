//! The sandbox of what a worker starts: which paths it may write, made from the settings, the worktree and the agent.
//!
//! Writable are the worktree, the run's temporary folder and receipts, what a commit on the own branch needs in the git
//! dir ([`git_dir`]), caches, and an agent's own folders. Everything else is refused by the kernel where it can
//! ([`crate::exec::Support`]): the hub, `<common dir>/teof`, hooks, configuration, other worktrees and `/tmp` at large.
//!
//! No path may open those as a whole ([`guarded`]): one that is above the hub is dropped.
//!
//! Settings open the sandbox only as a person granted them; without a grant the defaults apply.

mod git_dir;
mod guarded;
mod limits;
mod places;
mod program_folder;
mod report;
mod sandboxed;
mod temp_folder;
mod workplace;

pub use git_dir::mounted as of_git_dir;
pub use limits::{LimitReport, limits_here};
pub use report::{SandboxReport, SandboxState, without_effect};
pub use sandboxed::Sandbox;
pub use workplace::Workplace;
