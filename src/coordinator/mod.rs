//! The coordinator: one process per hub that chooses work, gives it to workers, and settles it.
//!
//! The core is pure: [`step`](step::step) takes what happened and says what to do. The rest of the
//! room performs that against the stores, and never decides.

pub(super) mod executor;
pub mod inbox;
mod message;
pub mod process;
pub mod retention;
pub mod state;
pub mod step;

pub use state::State;
pub use state::config::Config;
pub use state::input::{Action, Command, Effect, Input, Reply, ReviewWord};
pub use step::{next_wake, step};
