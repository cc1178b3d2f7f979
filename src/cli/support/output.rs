//! Writes the file that an output flag names.

use std::path::Path;

use crate::base::{Refusal, Result, text};
use crate::guard::secrets;
use crate::hub::output::Output;
use crate::hub::{Hub, Transaction};
use crate::receipts::ledger;

/// Checks the path and writes the text; returns the path, relative to the hub. A bare file name goes into the folder
/// of the first home.
///
/// # Errors
/// `output.refused` and `path.outside`.
pub fn write(hub: &Hub, output: &Output<'_>, given: &str, text: String) -> Result<String> {
    let path = checked(hub, output, given)?;
    let mut transaction = Transaction::new(output.flag);
    transaction.replace(path.as_str(), text);
    hub.lock(output.flag)?.commit(transaction)?;
    Ok(path)
}

/// The path that [`write()`] writes to, checked.
///
/// # Errors
/// As [`write()`].
pub fn checked(hub: &Hub, output: &Output<'_>, given: &str) -> Result<String> {
    let path = place(hub, given, output.homes);
    secrets::check_text("path", &path)?;
    output.check(hub, &path)?;
    if ledger::listed(&hub.root)?.contains_key(&path) {
        return Err(Refusal::guard("output.refused", format!("{} may not write {}", output.flag, text::safe(&path)))
            .because("the ledger lists it: a receipt is written once")
            .next("choose a new file")
            .into());
    }
    Ok(path)
}

fn place(hub: &Hub, given: &str, homes: &[&str]) -> String {
    let inside = Path::new(given).strip_prefix(&hub.root).ok().and_then(Path::to_str).unwrap_or(given);
    match homes.first().and_then(|home| home.rsplit_once('/')) {
        Some((folder, _)) if !inside.contains('/') => format!("{folder}/{inside}"),
        _ => inside.to_owned(),
    }
}
