//! One act over several stores: what a claim, an assignment or a release means for all of them.
//!
//! Each act is checked whole before it is written whole. Nothing here prints or chooses work.

pub mod add;
pub mod assign;
pub mod claim;
mod mirror;
pub mod pickup;
pub mod post;
pub mod release;
pub mod takeover;
pub mod tasks;
