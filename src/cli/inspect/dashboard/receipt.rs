//! Keeps the dashboard as a receipt, for `dashboard report` and `session-boot`.

use serde_json::{Value, json};

use super::format::FileFormat;
use crate::base::{Refusal, Result, digest, json, text};
use crate::board::coordination::Coordination;
use crate::faces::documents::coordination::{Detail, report};
use crate::faces::documents::{html, markdown};
use crate::guard::claim::check_inherited_epoch;
use crate::guard::secrets;
use crate::hub::output::Output;
use crate::hub::repository::clone_fidelity::{self, Need};
use crate::hub::{Hub, Transaction};
use crate::receipts::{self, entry, ledger};

/// Where the receipt goes.
pub enum Place<'a> {
    /// Into this folder, under the playbook's name.
    In(&'a str),
    /// Exactly there: see [`check_place`].
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

/// The folders for dashboards that a person keeps elsewhere than by default.
const HOMES: [&str; 2] = ["_report/manager/", "_report/agent/"];

/// Refuses a place for a receipt that is outside those folders or taken, because a receipt is written once; a file that
/// teof itself writes; and one that a clone would not have.
///
/// # Errors
/// `output.refused`; `receipt.ignored`, `receipt.converted`.
pub fn check_place(hub: &Hub, path: &str) -> Result<()> {
    let flag = "the dashboard's path";
    secrets::check_text("path", path)?;
    Output { flag, homes: &HOMES, force: None, is_own: |_| false }.check(hub, path)?;
    // A boot keeps its dashboards there.
    let is_of_boot = path.split('/').nth(3) == Some("session_boot");
    if entry::is_rewritten(path) || (entry::is_own(path) && !is_of_boot) {
        return Err(Refusal::guard("output.refused", format!("{flag} may not be {}", text::safe(path)))
            .because("teof writes that file itself, and a receipt is written once")
            .next(format!("choose a new file, such as {}dashboard.md", HOMES[0]))
            .into());
    }
    clone_fidelity::check(hub, &[(path, Need::Bytes)])
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
