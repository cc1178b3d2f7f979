//! Checks that can stop: on a worker's result, on what enters the record, on the whole tree.
//!
//! A guard looks and reports; it changes nothing but its own log. Nothing of what it looks at is executed, and no
//! text found there is obeyed.

pub mod claim;
pub mod finding;
pub mod glob;
pub mod prerequisites;
pub mod result;
pub mod secrets;

pub use finding::Finding;
