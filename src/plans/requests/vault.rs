//! The vault: feature requests as Markdown with front matter, one per file.
//!
//! teof writes only their status: `in-progress` when the work is assigned, `done` when all of it is merged, `blocked`
//! when it is blocked, `planned` again when it is cancelled.

use super::Entry;
pub use super::front_matter::{BLOCKED, DONE, IN_PROGRESS, LINK, PLANNED};
use super::front_matter::{FrontMatter, with_status};
use crate::base::Result;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::plan::Plan;
use crate::plans::requests;

/// The planned requests by name, and those that cannot be parsed.
pub fn planned(hub: &Hub) -> Result<Vec<Entry>> {
    requests::list(hub, LINK, &hub.settings()?.sources.vault_folder)
}

/// Stages a new status for the requests of a plan. A file that is missing or cannot be edited is left unchanged and
/// returned as a message; the work continues without it.
pub fn follow(writer: &Writer<'_>, transaction: &mut Transaction, plan: &Plan, status: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for (_, path) in plan.links().into_iter().filter(|(kind, _)| *kind == LINK) {
        left.extend(set(writer, transaction, path, status)?.err().map(|why| format!("{path} keeps its status: {why}")));
    }
    Ok(left)
}

/// Stages a new status of one request; the inner error says why it is not possible.
pub fn set(writer: &Writer<'_>, transaction: &mut Transaction, path: &str, status: &str) -> Result<Result<(), String>> {
    let text = match requests::text_of(writer.hub(), path) {
        Ok(text) => text,
        Err(why) => return Ok(Err(why)),
    };
    // A status set by a person is kept: only teof's own statuses change.
    let now = FrontMatter::read(&text).ok().and_then(|found| found.status().map(str::to_owned));
    match now.as_deref() {
        Some(now) if now == status => return Ok(Ok(())),
        Some(PLANNED | IN_PROGRESS | BLOCKED | DONE) | None => {}
        Some(other) => return Ok(Err(format!("it was changed to {other:?}"))),
    }
    Ok(with_status(&text, status).map(|edited| {
        transaction.replace(path, edited);
    }))
}
