//! From a work order to an envelope: claim, worktree, commands or agents, guards, receipts; and the routines.
//!
//! May not set a plan's step, release a claim or merge anything: the coordinator does, or a person.
//! Does not decide what may run: `guard` does, and is asked again and again.

pub mod calls;
pub mod commands;
pub mod explain;
pub mod preview;
mod reporting;
pub mod routines;
pub mod run;
mod stages;
mod watch;
mod work;

pub use calls::unfinished::tell;
pub use reporting::record::verdict_word;
pub use run::{Request, run};
pub use work::Given;
