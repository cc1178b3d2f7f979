//! Records a decision: a new file in `_report/consensus/`, and its entry in the ledger of receipts.

use serde_json::json;

use crate::base::{Result, digest, names};
use crate::bus::{check_length, check_text};
use crate::consensus::records::NewRecord;
use crate::guard::claim::Author;
use crate::guard::secrets;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::hub::{self, Hub, Transaction, Writer, paths};
use crate::ops::context::{self, Answer, Call};
use crate::receipts::ledger;

/// Records a decision; the answer is `{decision_id, path}`.
///
/// # Errors
/// An invalid name, an empty text, a secret, a receipt that a clone would not have; a stale session.
pub fn record(hub: &Hub, author: &Author, new: &NewRecord, repeat: Option<&hub::Request>) -> Result<Answer> {
    check(new)?;
    check_receipts(hub, &new.receipts)?;
    let call = Call { command: "consensus record", author, task: "", bound: false, request: repeat };
    context::run(hub, &call, |writer, transaction| {
        let path = stage(writer, transaction, &author.agent, new)?;
        let is_missing = |path: &&String| !path.contains("://") && hub.path(path).is_ok_and(|path| !path.exists());
        let remarks = new.receipts.iter().filter(is_missing);
        let remarks = remarks.map(|path| format!("{path} does not exist, but is recorded as evidence")).collect();
        Ok((json!({"decision_id": new.decision_id, "path": path}), remarks))
    })
}

/// # Errors
/// An invalid name, an empty or too long text, a secret.
pub fn check(new: &NewRecord) -> Result<()> {
    names::check_id("decision", &new.decision_id)?;
    names::check_id("event", &new.event)?;
    check_text("summary", &new.summary)?;
    check_length("meta", &json!(new.meta).to_string())?;
    secrets::check_json("record", &json!(new))
}

fn check_receipts(hub: &Hub, receipts: &[String]) -> Result<()> {
    let files = receipts.iter().filter(|path| !path.contains("://"));
    let need = |path: &str| if paths::is_owned(path) { Need::Bytes } else { Need::There };
    let files: Vec<_> = files.map(|path| (path.as_str(), need(path))).collect();
    files.iter().try_for_each(|(path, _)| hub.path(path).map(drop))?;
    clone_fidelity::check(hub, &files)
}

/// Stages a checked record in a transaction; returns its path.
pub fn stage(writer: &Writer<'_>, transaction: &mut Transaction, agent: &str, new: &NewRecord) -> Result<String> {
    let hub = writer.hub();
    let path = hub.free_path(&new.stem(hub.now()), ".jsonl")?;
    let line = new.line(agent, hub.now());
    ledger::enter(writer, transaction, agent, &[(path.clone(), digest::sha256(line.as_bytes()))])?;
    transaction.create(path.as_str(), line);
    Ok(path)
}
