//! What an error means for the action that met it: try again, wait for somebody, or give up.

use crate::base::{Exit, Refusal};
use crate::coordinator::state::input::Reply;
use crate::guard::moved_target;
use crate::hub::git;

/// What passes when somebody does something about it: a hold is lifted, reports are good again, a file is whole, a
/// person has looked at a target that a worker moved.
const WAITS: [&str; 4] = ["task.on_hold", "task.prerequisites", "request.settling", moved_target::SCAN_CODE];

/// Whether it may be possible later by itself, needs somebody's word, or never will be.
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

/// Whether the machine or the hub is in the way, not the job: it goes away by itself, or by what people do there.
pub fn is_passing(refusal: &Refusal) -> bool {
    let kinds = ["disk.", "hub.", "record.", "lock."];
    refusal.exit == Exit::TimedOut
        || refusal.code == git::KILLED
        || kinds.iter().any(|kind| refusal.code.starts_with(kind))
}
