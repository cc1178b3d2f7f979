//! Checks the receipts that events and messages name: each exists or was retired.

use std::fs::File;
use std::io;

use serde_json::Value;

use crate::base::{files, text};
use crate::guard::Finding;
use crate::guard::preflight::lines;
use crate::guard::preflight::report::Report;
use crate::guard::preflight::tree::Tree;
use crate::hub::paths;

const WORD: &[u8] = b"\"receipts\"";
/// Code of unfinished lines, which another rule reports.
const TORN: &str = "torn";

/// Adds missing receipts to the report; `code` is `event.receipt` or `message.receipt`.
///
/// A missing file of the record is an error. Any other file may be on a branch that is not merged yet, or outside a
/// record that has its own branch.
pub fn missing(tree: &Tree, path: &str, log: &File, code: &str, report: &mut Report) -> io::Result<()> {
    let read = lines::read(path, log, TORN, |line, found| {
        // Most lines name none.
        if line.windows(WORD.len()).any(|part| part == WORD)
            && let Ok(line) = serde_json::from_slice::<Value>(line)
        {
            let named = line["receipts"].as_array().map_or(&[][..], Vec::as_slice);
            found.extend(named.iter().filter_map(Value::as_str).filter_map(|receipt| judge(tree, code, receipt)));
        }
        None::<()>
    })?;
    report.findings.extend(read.findings.into_iter().filter(|found| found.code != TORN));
    Ok(())
}

fn judge(tree: &Tree, code: &str, receipt: &str) -> Option<Finding> {
    let is_address = receipt.contains("://");
    let is_there = || files::within(tree.root(), receipt).is_ok_and(|path| path.symlink_metadata().is_ok());
    if receipt.trim().is_empty() || is_address || is_there() || tree.is_retired(receipt) {
        return None;
    }
    let message = format!("the receipt {} does not exist", text::clip(&text::safe(receipt), 120));
    let hint = "restore it from git or create it; if it was removed on purpose: teof receipts retire";
    let finding = if paths::is_owned(receipt) { Finding::high } else { Finding::low };
    Some(finding(code, String::new(), message).hint(hint))
}
