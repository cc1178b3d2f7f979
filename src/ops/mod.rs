//! Operations over several stores, each one transaction: boot, claim, assignment, release, record commit.
//!
//! Each transaction is checked completely before it is written. This module does not print and does not choose work.

pub mod claims;
pub mod consensus;
pub mod consent;
mod context;
pub mod doctor;
pub mod evidence;
pub mod presence;
pub mod publish;
pub mod record;
pub mod request_folders;
pub mod restore;
pub mod session;
pub mod setup;
pub mod tasks;

pub use context::{Answer, answered};
