//! Verifies a delivered commit from the repository alone: which order, base, prompts, agents, guards and approver made
//! it.
//!
//! # What must hold
//!
//! The commit's trailers name a job and a run. The record has the run's papers (order, envelope, bundle, decision),
//! each listed in the ledger with its digest, each unchanged by its own hash, and all of them agree. The decision names
//! the commit; the commit's parent is the target that the decision names; its change is the reviewed one. Log and
//! ledger are whole, and have every line that they had when the commit was made: its chain heads say so.
//!
//! What cannot be told from what is here (an object that was not fetched, a commit without heads) is reported as such.
//! Nothing here proves who wrote a line: whoever rewrites the record, the commit and everything after it together makes
//! another consistent history. Compare the commit's id with a clone, or sign commits.

mod agreement;
mod chains;
mod change;
mod commit;
pub mod document;
mod papers;
mod range;
mod record;
pub mod record_commit;
mod standing;
pub mod statement;
mod subject;

pub use commit::verify;
pub use range::commits;
pub use record::Records;
