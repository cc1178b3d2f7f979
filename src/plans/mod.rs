//! Plans, their justifications and the backlog: read, checked, edited. Owns `_plans/`.
//!
//! Every edit is checked on the bytes that it would leave, and refused before it is written if it
//! adds a finding. Knows nothing of claims or of the receipts' ledger: who needs both asks both.

pub mod digest;
pub mod validate;

/// What there is to show for a receipt that a plan names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// In git's index or HEAD, or in the ledger awaiting the next record commit.
    Tracked,
    /// There, but nothing keeps it.
    Untracked,
    Missing,
    /// There, but not a regular file, or JSON that does not parse; says why.
    Damaged(String),
}
