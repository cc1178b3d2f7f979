//! The stages of a run: which one is next, how it runs, what is checked, and how its work is committed.

mod agent_stage;
pub(super) mod checks;
pub(super) mod commit;
pub(super) mod context;
pub(super) mod forward_port;
pub(super) mod next_stage;
pub(super) mod pipeline;
pub(super) mod setup;
pub(super) mod stage_store;
mod suggestions;
