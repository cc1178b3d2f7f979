//! The coordinator: one process per hub that chooses work, gives it to workers, and settles it.
//!
//! The core is pure: [`step`](step::step) takes what happened and says what to do. The rest of the
//! room performs that against the stores, and never decides.

mod choose;
mod commands;
mod endings;
pub mod inbox;
pub mod input;
mod jobs;
pub mod life;
pub mod pauses;
pub mod places;
mod questions;
mod reason;
mod review;
pub mod rules;
pub mod shell;
mod spend;
pub mod state;
pub mod step;
pub mod store;
pub mod submission;
mod tally;

pub use input::{Action, Command, Effect, Input, Reply, ReviewWord};
pub use rules::Rules;
pub use state::State;
pub use step::{next_wake, step};
