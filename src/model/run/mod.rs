//! The input and output of a run: the work order, the outcome, the review bundle.

pub mod bundle;
pub mod job_name;
pub mod order;
pub mod outcome;
