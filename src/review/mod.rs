//! Decides about finished work: a person approves (merges), rejects, sends back or reverts it. Also handles pull
//! requests.
//!
//! # How it works
//!
//! The foreman writes a bundle ([`bundles`]): a receipt that names the reviewed commit. An approval merges exactly
//! that commit. The merged tree is built in memory ([`target::merge`]), the tests run on it in a temporary worktree
//! ([`target::temp_worktree`]), the record is checked ([`checks`]), and only then, under the bus lock, the target
//! moves by compare-and-swap ([`target::update_target`]) and the decision is recorded ([`decision`]). After a crash,
//! the next approval finds the old state, or a merge without its decision, which it completes.
//!
//! Every function that moves a target or decides about work requires a person, or a policy that a person granted
//! ([`policy`]). Nothing here waits for processes or the
//! network under the bus lock, except for git moving one checked-out worktree. Approval and rejection change no plan
//! step and release no claim: the coordinator does.

pub mod approval;
pub mod approve;
pub mod bundles;
pub mod checks;
pub mod decision;
pub mod diff;
pub mod input;
pub mod lock;
pub mod policy;
pub mod pull_request;
pub mod reject;
pub mod target;
pub mod undo;
pub mod verify;

pub use approval::Approval;
pub use approve::approve;
pub use bundles::Entry;
pub use decision::{Decision, Kind};
pub use input::{JobState, NewerCommits, ReviewInput};
pub use reject::{reject, retry};
pub use undo::revert::revert;
