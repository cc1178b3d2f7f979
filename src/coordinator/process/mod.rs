//! The process around the decision, one per hub. It feeds [`step`](crate::coordinator::step::step) and performs the
//! requested effects.

mod effects;
mod ended;
mod holder;
mod inputs;
mod numbers;
mod observe;
mod options;
mod run;
mod saving;
pub mod service;
mod shell;
mod trials;
pub mod vouch;
mod watch;

pub use ended::Ended;
pub use holder::{frozen, holder, is_running, last_wake, pid};
pub use options::{Options, Preview, config, preview};
pub use run::{one_shot, run};
pub use shell::Progress;
