//! Checks that a record commit loses no lines.
//!
//! The watermarks cover what git does not have yet; what a record commit holds is safe in git. But a merge or a
//! checkout can restore an older log, and one that is long enough looks complete: committing it would make the loss
//! permanent.

use serde_json::json;

use crate::base::{Refusal, Result};
use crate::guard::preflight::{self, APPENDED, Base};
use crate::hub::{Hub, paths};
use crate::ops::restore::behind;
use crate::ops::restore::sources::Sources;

/// Holds a tree that is about to be committed to the one that it follows (`before`, of `commit`), and to the
/// last record commit from here, when the branch was taken back behind it.
///
/// # Errors
/// `record.behind` when a log lacks lines that are, or were, committed, or a document is older than it was.
pub fn check(hub: &Hub, commit: &str, before: &str, tree: &str) -> Result<()> {
    let args = [&["diff-tree", "-r", "-z", "--name-only", "--no-renames", before, tree, "--"][..], &APPENDED].concat();
    let changed = hub.git().run(&args)?;
    let changed: Vec<String> = changed.split('\0').filter(|path| !path.is_empty()).map(str::to_owned).collect();
    let mut lost = preflight::lost(&hub.root, &Base::find(&hub.worktree(), commit)?, &changed)?;
    let sources = Sources::of(hub)?;
    if let Some(dropped) = &sources.dropped {
        let mut logs = changed;
        for place in APPENDED {
            logs.extend(dropped.files(place, ".jsonl")?);
        }
        logs.push(paths::LEDGER.to_owned());
        lost.extend(preflight::lost(&hub.root, dropped, &logs)?);
    }
    lost.extend(behind::findings(hub, &sources)?);
    let Some(first) = lost.first() else { return Ok(()) };
    let path = first.path.as_deref().unwrap_or_default();
    Err(Refusal::guard("record.behind", "the record in the hub lacks something that was committed")
        .because(format!("{path}: {}", first.message))
        .next("bring them back: teof bus restore")
        .next("if somebody took them out on purpose, that is a person's commit: git commit")
        .with("findings", json!(lost))
        .into())
}

/// A commit on the record's branch: what it holds is git's to keep from now on, and nothing else is let go.
pub fn release(hub: &Hub, commit: &str) -> Result<()> {
    let base = Base::find(&hub.worktree(), commit)?;
    let marks = hub.watermarks();
    for log in marks.logs().iter().filter(|log| marks.keeps_lines(log)) {
        marks.committed(log, &base.read(log)?.unwrap_or_default())?;
    }
    let documents = marks.documents();
    for path in documents.kept() {
        if let Some(bytes) = base.read(&path)? {
            documents.committed(&path, &bytes)?;
        }
    }
    Ok(())
}
