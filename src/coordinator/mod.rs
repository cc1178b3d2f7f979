//! The coordinator: one process per hub that chooses work, assigns it to workers, and finalizes it.
//!
//! The core is pure: [`step`](step::step) takes one input and returns the effects to perform. The executor performs
//! them against the stores; the process around both never decides.

pub(super) mod executor;
pub mod inbox;
mod message;
pub mod metrics;
pub mod notifications;
pub mod pauses;
pub mod process;
pub mod report;
pub mod retention;
pub mod sessions;
pub mod state;
pub mod step;
pub mod worker_log;

pub use state::State;
pub use state::config::Config;
pub use state::input::{Action, Command, Effect, Input, Reply, ReviewWord};
pub use step::{near_limit, next_wake, obstacle, step};
