//! The executor: performs the effects that the decision asks for.

pub(super) mod assign;
pub(super) mod finalize;
pub(super) mod orders;
pub(super) mod perform;
pub mod publish;
pub mod reviews;
pub mod workers;
