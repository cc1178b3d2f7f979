//! The vault: feature requests as Markdown with front matter, one per file.
//!
//! teof writes only their status: `in-progress` when the work is assigned, `done` when all of it is merged,
//! `blocked` when it was given up, `planned` again when it was cancelled.

use super::Entry;
pub use super::front_matter::{BLOCKED, DONE, IN_PROGRESS, LINK, PLANNED};
use super::front_matter::{FrontMatter, with_status};
use crate::base::Result;
use crate::hub::{Hub, Transaction, Writer};
use crate::model::plan::Plan;
use crate::plans::requests;

/// The planned requests, in the order of their names, and those that cannot be understood.
pub fn planned(hub: &Hub) -> Result<Vec<Entry>> {
    requests::list(hub, LINK, &hub.settings()?.sources.vault_folder)
}

/// Puts a new status of the requests that a plan comes from into a transaction. A file that is gone, or that
/// cannot be edited so, stays as it is and is named in what is given back: the work goes on without it.
pub fn follow(writer: &Writer<'_>, transaction: &mut Transaction, plan: &Plan, status: &str) -> Result<Vec<String>> {
    let mut left = Vec::new();
    for (_, path) in plan.links().into_iter().filter(|(kind, _)| *kind == LINK) {
        left.extend(set(writer, transaction, path, status)?.err().map(|why| format!("{path} keeps its status: {why}")));
    }
    Ok(left)
}

/// Puts a new status of one request into a transaction; the inner error says why that is not possible.
pub fn set(writer: &Writer<'_>, transaction: &mut Transaction, path: &str, status: &str) -> Result<Result<(), String>> {
    let text = match requests::text_of(writer.hub(), path) {
        Ok(text) => text,
        Err(why) => return Ok(Err(why)),
    };
    // What a person set since then is their word: only our own statuses move on.
    let now = FrontMatter::read(&text).ok().and_then(|found| found.status().map(str::to_owned));
    match now.as_deref() {
        Some(now) if now == status => return Ok(Ok(())),
        Some(PLANNED | IN_PROGRESS | BLOCKED | DONE) | None => {}
        Some(other) => return Ok(Err(format!("somebody set it to {other:?}"))),
    }
    Ok(with_status(&text, status).map(|edited| {
        transaction.replace(path, edited);
    }))
}
