//! From a work order to an envelope: claim, worktree, commands or agents, guards, receipts; and the routines.
//!
//! May not set a plan's step, release a claim or merge anything: the coordinator does, or a person.
//! Does not decide what may run: `guard` does, and is asked again and again.

mod answer;
mod ask;
mod baseline;
mod bench;
mod bundle;
mod bundle_words;
mod carry;
mod casting;
pub mod check;
mod close;
pub mod companion;
mod elsewhere;
mod evidence;
pub mod explain;
mod judge;
mod kept;
mod last_output;
mod pipeline;
pub mod preview;
mod prompts;
mod pushes;
pub mod question;
mod record;
mod report;
pub mod routines;
pub mod run;
mod setup;
mod shift;
mod stage;
mod suggested;
mod talk;
mod targets;
mod trusted;
mod unfinished;
mod watch;
mod weigh;
mod work;

pub use record::word;
pub use run::{Request, run};
pub use unfinished::tell;
pub use work::Given;
