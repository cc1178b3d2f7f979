//! Classifies an action's error: try again, wait for somebody, or give up.

use crate::base::{Exit, Refusal};
use crate::coordinator::state::input::Reply;
use crate::guard::moved_target;
use crate::hub::git;
use crate::review::lock;

/// Refusals that end when somebody acts: a hold is lifted, reports are good again, a file is complete, a person has
/// checked a moved target or decided about a result.
const WAITS: [&str; 5] =
    ["task.on_hold", "task.prerequisites", "request.settling", moved_target::SCAN_CODE, lock::BUSY];

/// Whether it may succeed later by itself, needs somebody's action, or never will.
pub fn answer(error: &anyhow::Error) -> Reply {
    let Some(refusal) = Refusal::of(error) else { return Reply::Broken { why: format!("{error:#}") } };
    let why = why(refusal);
    match refusal.exit {
        _ if is_passing(refusal) => Reply::Failed { why },
        Exit::Unattended if refusal.code != "commands.untrusted" => Reply::NotNow { why },
        _ if WAITS.contains(&refusal.code) => Reply::NotNow { why },
        _ => Reply::Refused { why },
    }
}

/// A refusal in one line.
pub fn why(refusal: &Refusal) -> String {
    match &refusal.reason {
        Some(reason) => format!("{}: {reason}", refusal.message),
        None => refusal.message.clone(),
    }
}

/// Whether the machine or the hub is the cause rather than the job, so that it ends by itself or by people's actions
/// there.
pub fn is_passing(refusal: &Refusal) -> bool {
    let kinds = ["disk.", "hub.", "record.", "lock."];
    refusal.exit == Exit::TimedOut
        || refusal.code == git::KILLED
        || kinds.iter().any(|kind| refusal.code.starts_with(kind))
}
