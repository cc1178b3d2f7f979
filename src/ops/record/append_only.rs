//! Checks that a record commit loses no lines.
//!
//! The watermarks cover what git does not have yet, and git has what was committed. But a merge or a checkout can
//! restore an older log that is long enough to look complete; committing it would make the loss permanent.

use serde_json::json;

use crate::base::{Refusal, Result};
use crate::guard::preflight::{self, APPENDED, Base};
use crate::hub::{Hub, paths};
use crate::ops::restore::behind;
use crate::ops::restore::sources::Sources;

/// Compares a new tree with its parent's (`before`, of `commit`), and with the last record commit made here if the
/// branch was reset to before it. What is missing in the hub and `kept` in the tree is not lost.
///
/// # Errors
/// `record.behind` when a log lacks committed lines, or a document is older than before.
pub fn check(hub: &Hub, commit: &str, before: &str, tree: &str, kept: &[Vec<u8>]) -> Result<()> {
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
    let is_kept = |path: &str| kept.iter().any(|kept| kept == path.as_bytes());
    let behind = behind::findings(hub, &sources)?.into_iter();
    lost.extend(behind.filter(|found| !found.path.as_deref().is_some_and(is_kept)));
    let Some(first) = lost.first() else { return Ok(()) };
    let path = first.path.as_deref().unwrap_or_default();
    Err(Refusal::guard("record.behind", "the record in the hub lacks committed content")
        .because(format!("{path}: {}", first.message))
        .next("restore it: teof bus restore")
        .next("if it was removed on purpose, commit it as a person: git commit")
        .with("findings", json!(lost))
        .into())
}

/// After a commit on the record's branch: drops the stored copies of exactly what the commit has.
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
