//! From a work order to an envelope: claim, worktree, commands or agents, guards, receipts; and the routines.
//!
//! Must not set a plan's step, release a claim or merge anything: the coordinator or a person does. `guard` decides what
//! may run, and is asked before every command.

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
