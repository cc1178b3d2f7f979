//! Reads, checks and edits plans, their justifications and the backlog. Owns `_plans/`; reads the vault and the
//! queue, whose entries become plans, and updates the status of vault entries.
//!
//! Every edit is checked on its resulting bytes, and refused if it adds a finding. This module does not know claims
//! or the receipts ledger: `ops` combines them.

pub mod backlog;
pub mod cycles;
pub mod dependencies;
pub mod digest;
pub mod edit;
pub mod evidence;
pub mod hygiene;
pub mod new;
pub mod of_request;
pub mod reader;
pub mod requests;
pub mod same_work;
pub mod store;
pub mod validate;

pub use digest::commands_digest;
pub use evidence::Evidence;
pub use same_work::SameWork;
pub use store::{PlanFile, all, find, of_words};
