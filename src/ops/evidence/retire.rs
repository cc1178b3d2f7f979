//! Retires a receipt for a person: the ledger's line and the event, in one transaction.

use crate::base::{Result, text};
use crate::bus::{check_text, events};
use crate::guard::operator::{self, OPERATOR};
use crate::guard::secrets;
use crate::hub::{Hub, Transaction};
use crate::model::event::Event;
use crate::receipts::ledger;

/// Retires the receipt; returns its recorded digest.
///
/// # Errors
/// In a worker's children, because a worker could hide what it changed. As [`ledger::retire`].
pub fn retire(hub: &Hub, path: &str, reason: &str, by: &str) -> Result<String> {
    let recognised = operator::require("retire a receipt")?;
    check_text("reason", reason)?;
    secrets::check_text("reason", reason)?;
    let mut writer = hub.lock("receipts retire")?;
    let mut transaction = Transaction::new("receipts retire");
    let sha256 = ledger::retire(&writer, &mut transaction, OPERATOR, path, reason)?;
    let summary = text::clip(&format!("{by} retired {path}: {reason}"), 500);
    let event = Event::new(OPERATOR, "receipt_retired", summary)
        .meta("by", by)
        .meta("path", path)
        .meta("sha256", sha256.as_str())
        .meta("reason", reason)
        .meta("recognised", recognised.as_str());
    events::stage(&writer, &mut transaction, &event)?;
    writer.commit(transaction)?;
    hub.watermarks().documents().forget(path)?;
    Ok(sha256)
}
