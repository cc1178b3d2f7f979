//! One act over several stores: what a boot, a claim, an assignment, a release or a record commit means
//! for all of them.
//!
//! Each act is checked whole before it is written whole. Nothing here prints or chooses work.

pub mod add;
mod append_only;
pub mod assign;
pub mod attributes;
pub mod behind;
pub mod boot;
pub mod claim;
pub mod consent;
mod dedicated;
pub mod doctor;
mod doctor_disk;
mod doctor_repository;
mod doctor_setup;
pub mod exclusive;
mod frame;
pub mod held;
pub mod inbox;
pub mod init;
mod mirror;
pub mod pickup;
pub mod plan_edit;
pub mod post;
mod prerequisites;
pub mod record;
pub mod release;
pub mod reopen;
pub mod request_folders;
pub mod restore;
pub mod retire;
pub mod seat;
pub mod sources;
pub mod status;
pub mod sync;
pub mod takeover;
pub mod tasks;
pub mod verify;

pub use frame::{Answer, answered};
