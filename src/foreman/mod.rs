//! Runs a work order up to its envelope: claim, worktree, commands or agents, guards, receipts. Also the routines.
//!
//! It never sets a plan's step, releases a claim or merges: the coordinator or a person does. `guard` decides before
//! every command whether it may run.

pub mod broker;
pub mod calls;
pub mod commands;
pub mod preview;
pub mod reporting;
pub mod results;
pub mod routines;
pub mod run;
pub mod sandbox;
mod stages;
pub mod telemetry;
mod trust;
mod watch;
mod work;

pub use calls::one_line;
pub use reporting::record::verdict_word;
pub use run::{Request, run};
pub use work::Given;
