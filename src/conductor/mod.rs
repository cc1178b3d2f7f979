//! What is done next, and how it is asked: the one selector, the prompt contract, the prompt's receipt.
//!
//! Chooses and records; never executes what it proposes.

mod facts;
pub mod select;
pub mod sources;
mod work;
