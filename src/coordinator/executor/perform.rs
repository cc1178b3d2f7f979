//! Actions performed against the stores, and what an error means for the one who asked.

use super::workers::Workers;
use super::{assign, finalize, publish, reviews};
use crate::base::{Exit, Refusal, Result};
use crate::coordinator::process::watch::Own;
use crate::coordinator::state::input::{Action, Reply};
use crate::coordinator::state::{Job, State};
use crate::guard::consent::{self, Actor};
use crate::guard::moved_target;
use crate::hub::{Hub, git};
use crate::ops::record::{self, Recorded};
use crate::ops::session::boot;

/// What actions are performed with.
pub struct Hands<'a> {
    pub hub: &'a Hub,
    /// The seat that the coordinator acts as.
    pub manager: &'a str,
    pub own: &'a mut Own,
    pub workers: &'a mut Workers,
}

impl Hands<'_> {
    /// Performs an action, or finds that it was performed. `check` says that it may have been.
    pub fn perform(&mut self, id: u64, action: &Action, check: bool, state: &State) -> Reply {
        let done = self.try_perform(id, action, check, state);
        done.unwrap_or_else(|e| answer(&e))
    }

    fn try_perform(&mut self, id: u64, action: &Action, check: bool, state: &State) -> Result<Reply> {
        let job = action.job().and_then(|job| state.job(job));
        match (action, job) {
            (Action::Give { .. }, Some(job)) => assign::give(self, job),
            (Action::Order { .. }, Some(job)) => assign::order(self, job),
            (Action::Keep { until, .. }, Some(job)) => assign::keep(self, job, *until),
            (Action::Await { .. }, Some(job)) => finalize::under_review(self, job),
            (Action::Deliver { .. }, Some(job)) => reviews::deliver(self.hub, job),
            (Action::Settle { ending, .. }, Some(job)) => finalize::settle(self, job, *ending),
            (Action::Spawn { run, .. }, Some(job)) => {
                self.permitted()?;
                self.renew_sessions(job)?;
                self.workers.spawn(self.hub, job, run, check)?;
                Ok(Reply::Done)
            }
            (Action::Note { text, job, alert }, _) => {
                let job = job.as_ref().and_then(|job| state.job(job));
                publish::note(self.hub, self.manager, id, text, job, *alert, check)
            }
            (Action::Decide(decision), _) => publish::decide(self.hub, self.manager, id, decision, check),
            (Action::Reset { task }, _) => finalize::reset(self, task),
            (Action::Commit, _) => {
                publish::project(self.hub, self.manager, state)?;
                Ok(match record::commit(self.hub)? {
                    Recorded::Skipped(why) => Reply::NotNow { why },
                    _ => Reply::Done,
                })
            }
            (action, None) => Ok(Reply::Refused { why: format!("{action:?} is about a job that nobody remembers") }),
        }
    }

    /// The sessions of everybody in whose name work is about to start: a session that grew old while the
    /// coordinator waited is no reason to refuse what the coordinator itself starts.
    pub fn renew_sessions(&self, job: &Job) -> Result<()> {
        boot::renew(self.hub, self.manager)?;
        boot::renew(self.hub, &job.seat).map(drop)
    }

    /// Consent, asked anew before everything that begins work.
    pub fn permitted(&self) -> Result<()> {
        consent::require(self.hub, Actor::Coordinator, consent::Action::Execute)
    }
}

/// What passes when somebody does something about it: a hold is lifted, reports are good again, a file is whole, a
/// person has looked at a target that a worker moved.
const WAITS: [&str; 4] = ["task.on_hold", "task.prerequisites", "request.settling", moved_target::SCAN_CODE];

/// Whether it may be possible later by itself, needs somebody's word, or never will be.
fn answer(error: &anyhow::Error) -> Reply {
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
