//! The executor: performs the effects requested by the decision.

pub mod assign;
pub(super) mod beside;
pub(super) mod context;
mod finalize;
mod orders;
pub(super) mod own_writes;
mod perform;
pub mod projection;
pub mod publish;
pub(super) mod refusals;
pub mod reviews;
pub mod workers;
