//! Notifies the coordinator of a decision, so that it finalizes the job at once.

use serde_json::{Value, json};

use super::shared;
use crate::base::{Result, text};
use crate::cli::App;
use crate::cli::unattended::coordinator::send::have_done;
use crate::coordinator::executor::reviews;
use crate::coordinator::process;
use crate::coordinator::state::input::Command;
use crate::ops::record::{self, Recorded};
use crate::review::{Decision, Kind};

/// Commits the record of a decision, unless the record was committed a moment ago. A running coordinator does that
/// itself.
///
/// The decision counts even when the commit fails or comes later.
pub fn commit_record(app: &App) -> Result<()> {
    let hub = app.hub()?;
    if process::holder(hub)?.is_some() {
        return Ok(());
    }
    let why = match record::commit_when_due(hub) {
        Ok(Recorded::Skipped(why)) => why,
        Ok(Recorded::Committed(_) | Recorded::Clean) => return Ok(()),
        Err(e) => format!("{e:#}"),
    };
    shared::print_progress(
        app,
        &format!("the record is not committed yet: {}; commit it: teof bus commit", text::safe(&why)),
    );
    Ok(())
}

/// Commits the record after approvals where it has a branch of its own. Where work is merged to the same branch, each
/// such commit is one more in the history that people read.
pub fn commit_own_record(app: &App) -> Result<()> {
    if app.hub()?.has_record_branch()? { commit_record(app) } else { Ok(()) }
}

/// Sends a decision to the coordinator and prints its answer: `{ok, text}`, or null while a running coordinator is
/// busy.
///
/// The decision counts even when the coordinator refuses it, for example because it does not know the rejected job.
pub fn notify_coordinator(app: &App, decision: &Decision) -> Result<Value> {
    let word = reviews::word(decision);
    let command = Command::Reviewed { job: decision.job.clone(), run: decision.run.clone(), word };
    let answer = have_done(app, &decision.by, command, decision.note.clone())?;
    match &answer {
        // These print what happened themselves.
        Some(answer) if answer.ok => {}
        Some(_) if matches!(decision.decision, Kind::Reverted | Kind::Retry) => {}
        Some(answer) => shared::print_progress(app, &format!("coordinator: {}", text::safe(&answer.text))),
        None => shared::print_progress(app, "the coordinator is busy; it handles the decision later"),
    }
    Ok(json!(answer))
}
