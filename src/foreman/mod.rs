//! From a work order to an envelope: claim, worktree, commands, guards, receipts; and the routines.
//!
//! May not set a plan's step, release a claim or merge anything: the coordinator does, or a person.
//! Does not decide what may run: `guard` does, and is asked again and again.

mod bench;
pub mod companion;
mod evidence;
mod judge;
pub mod preview;
mod record;
mod report;
pub mod routines;
pub mod run;
mod setup;
mod stage;
mod trusted;
mod watch;
mod work;

pub use record::word;
pub use run::{Request, run};
pub use work::Given;
