//! The input and output of a run: the work order, what it does now, the outcome, the review bundle.

pub mod bundle;
pub mod job_name;
pub mod live;
pub mod noticed;
pub mod order;
pub mod outcome;
pub mod stage;
