//! What a run gets and what it leaves: the work order, the outcome, the review bundle.

pub mod bundle;
pub mod order;
pub mod outcome;
