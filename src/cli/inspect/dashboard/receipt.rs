//! Keeps the dashboard as a receipt, for `dashboard report` and `session-boot`.

use serde_json::{Value, json};

use super::format::FileFormat;
use crate::base::{Result, digest, json};
use crate::board::coordination::Coordination;
use crate::faces::documents::coordination::{Detail, report};
use crate::faces::documents::{html, markdown};
use crate::guard::claim::check_inherited_epoch;
use crate::hub::output::Output;
use crate::hub::{Hub, Transaction};
use crate::receipts::{self, ledger};

/// Where the receipt goes.
pub enum Place<'a> {
    /// Into this folder, under the playbook's name.
    In(&'a str),
    /// Exactly there, under `_report/`.
    At(&'a str),
}

/// The document in one of the formats for files.
pub fn render(found: &Coordination, format: FileFormat, detail: Detail) -> String {
    let document = || report(found, detail, &|at| at.to_string());
    match format {
        FileFormat::Json => json::pretty(found) + "\n",
        FileFormat::Html => html::page(&document()),
        FileFormat::Md => markdown::render(&document()),
    }
}

/// Refuses a place for a receipt that is outside `_report/`, or taken: a receipt is written once.
pub fn check_place(hub: &Hub, path: &str) -> Result<()> {
    Output { flag: "the dashboard's path", homes: &["_report/"], force: None, is_own: |_| false }.check(hub, path)
}

/// Writes the receipt and enters it into the ledger. Returns its path.
///
/// # Errors
/// As [`Output::check`] for a place that a person named.
pub fn write(
    hub: &Hub,
    agent: &str,
    found: &Coordination,
    format: FileFormat,
    detail: Detail,
    place: &Place,
) -> Result<String> {
    if let Place::At(path) = place {
        check_place(hub, path)?;
    }
    let mut writer = hub.lock("dashboard report")?;
    check_inherited_epoch(hub)?;
    let ending = format.ending();
    let path = match place {
        Place::At(path) => (*path).to_owned(),
        Place::In(folder) => {
            hub.free_path(&format!("{folder}/coordination-dashboard-{}", found.generated_at), ending)?
        }
    };
    let mut transaction = Transaction::new("dashboard report");
    match (format, json!(found)) {
        (FileFormat::Json, Value::Object(payload)) => {
            receipts::write(&writer, &mut transaction, agent, &path, payload)?;
        }
        _ => {
            let text = render(found, format, detail);
            ledger::enter(&writer, &mut transaction, agent, &[(path.clone(), digest::sha256(text.as_bytes()))])?;
            transaction.create(path.as_str(), text);
        }
    }
    writer.commit(transaction)?;
    Ok(path)
}

/// Whether the file was written by this command.
pub fn is_own(bytes: &[u8]) -> bool {
    let begins = |begin: &str| bytes.starts_with(begin.as_bytes());
    let is_page =
        begins("<!doctype html>") && String::from_utf8_lossy(bytes).contains("<h1>Coordination Dashboard</h1>");
    begins("# Coordination Dashboard\n")
        || is_page
        || serde_json::from_slice::<Value>(bytes).is_ok_and(|document| document.get("dirty_handoffs").is_some())
}
