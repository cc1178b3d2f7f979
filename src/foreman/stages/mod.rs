//! The stages of a run: which one is next, how it runs, what is checked, and how its work is committed.

pub(super) mod base_tests;
pub(super) mod baseline;
pub(super) mod checks;
pub(super) mod commit;
pub(super) mod context;
pub(super) mod elsewhere;
pub(super) mod forward_port;
pub(super) mod next_stage;
pub(super) mod pipeline;
pub(super) mod setup;
pub(super) mod stage_store;
pub(super) mod targets;
