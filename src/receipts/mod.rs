//! Receipts: evidence, written once and hashed, listed in an append-only ledger.
//!
//! This store owns `_report/receipts.jsonl` and the hash inside a receipt. The writer decides the content of a
//! receipt. It does not know claims and plans.

pub mod chain;
pub mod entry;
pub mod ledger;
pub mod seal;
pub mod seen;
pub mod verify;

use serde_json::{Map, Value};

use crate::base::{Result, digest};
use crate::hub::{Transaction, Writer};

/// Writes a new receipt, sealed with its own hash, and adds it to the ledger, in one transaction.
///
/// # Errors
/// On commit, the transaction is refused if `path` (relative to the hub) exists: receipts are written once.
pub fn write(
    writer: &Writer,
    transaction: &mut Transaction,
    agent: &str,
    path: &str,
    payload: Map<String, Value>,
) -> Result<()> {
    let text = seal::sealed(payload);
    let sha256 = digest::sha256(text.as_bytes());
    transaction.create(path, text);
    ledger::enter(writer, transaction, agent, &[(path.to_owned(), sha256)])
}
