//! Consensus: decisions that seats make together, and the receipts that prove them.
//!
//! A decision is opened by a message of type `consensus`, or by a required receipt of CI; a record in
//! `_report/consensus/` is its evidence. This module reads them, and says which decisions wait too long.
//! `ops::consensus` writes.

pub mod decisions;
pub mod ledger;
pub mod lines;
pub mod records;

pub use decisions::{Decision, Due};
pub use ledger::{Filter, Row};
pub use records::Record;
