//! Performs one action against the stores.

use super::context::Executor;
use super::refusals::answer;
use super::{assign, finalize, publish, reviews};
use crate::base::{Result, Stamp};
use crate::coordinator::state::input::{Action, Reply};
use crate::coordinator::state::{Ending, Job, State};
use crate::foreman::telemetry::{self, JobSpan};

impl Executor<'_> {
    /// Performs an action. With `check` it may have been performed already, which is checked first.
    pub fn perform(&mut self, id: u64, action: &Action, check: bool, state: &State) -> Reply {
        let done = self.try_perform(id, action, check, state);
        done.unwrap_or_else(|e| answer(&e))
    }

    fn try_perform(&mut self, id: u64, action: &Action, check: bool, state: &State) -> Result<Reply> {
        let job = action.job().and_then(|job| state.job(job));
        match (action, job) {
            (Action::Assign { .. }, Some(job)) => assign::assign(self, job),
            (Action::Order { .. }, Some(job)) => assign::order(self, job),
            (Action::Keep { until, .. }, Some(job)) => assign::keep(self, job, *until),
            (Action::Await { .. }, Some(job)) => finalize::under_review(self, job),
            (Action::Deliver { .. }, Some(job)) => reviews::deliver(self.hub, job),
            (Action::Finalize { ending, .. }, Some(job)) => {
                let reply = finalize::finalize(self, job, *ending)?;
                if matches!(reply, Reply::Done) {
                    telemetry::job_over(self.hub, &job_span(job, *ending, self.hub.now()));
                }
                Ok(reply)
            }
            (Action::Spawn { run, .. }, Some(job)) => {
                self.permitted(job)?;
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
            (action, _) => {
                Ok(Reply::Refused { why: format!("{action:?} is not performed here, or its job is unknown") })
            }
        }
    }
}

fn job_span(job: &Job, ending: Ending, ended: Stamp) -> JobSpan<'_> {
    JobSpan {
        job: &job.id,
        task: &job.task,
        seat: &job.seat,
        ending: ending.as_str(),
        is_done: ending == Ending::Done,
        began: job.chosen_at,
        ended,
    }
}
