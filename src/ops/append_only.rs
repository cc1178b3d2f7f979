//! Whether a record commit would lose lines.
//!
//! The marks keep what git does not have yet; what a record commit holds is git's to keep. But a merge or a
//! checkout can write a log from before, and one that is long enough passes for whole: committed so, the loss
//! would be made good.

use serde_json::json;

use crate::base::{Refusal, Result};
use crate::guard::preflight::{self, APPENDED, Base};
use crate::hub::Hub;

/// Holds a tree that is about to be committed to the one that it follows (`before`, of `commit`).
///
/// # Errors
/// `record.behind` when a log lacks lines that are committed.
pub fn check(hub: &Hub, commit: &str, before: &str, tree: &str) -> Result<()> {
    let args = [&["diff-tree", "-r", "-z", "--name-only", "--no-renames", before, tree, "--"][..], &APPENDED].concat();
    let changed = hub.git().run(&args)?;
    let changed: Vec<String> = changed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    let lost = preflight::lost(&hub.root, &Base::find(&hub.worktree(), commit)?, &changed)?;
    let Some(first) = lost.first() else { return Ok(()) };
    let path = first.path.as_deref().unwrap_or_default();
    Err(Refusal::guard("record.behind", "the record in the hub lacks lines that are committed")
        .because(format!("{path}: {}", first.message))
        .next("bring them back: teof bus restore")
        .next("if somebody took them out on purpose, that is a person's commit: git commit")
        .with("findings", json!(lost))
        .into())
}
