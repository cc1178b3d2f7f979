//! One act over several stores: what a boot, a claim, an assignment, a release or a record commit means
//! for all of them.
//!
//! Each act is checked whole before it is written whole. Nothing here prints or chooses work.

pub mod claims;
pub mod consent;
mod context;
pub mod doctor;
pub mod publish;
pub mod record;
pub mod request_folders;
pub mod restore;
pub mod retire;
pub mod session;
pub mod setup;
pub mod status;
pub mod tasks;

pub use context::{Answer, answered};
