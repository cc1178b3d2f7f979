//! Classifies a call that brought no answer and decides what follows.
//!
//! A limit of the account, an outage or a stop costs no attempt. What fails until a person acts is not retried. A call
//! that reached the agent's own limit is continued in its session, a few times.

use super::conversation::CallResult;
use crate::agents::{Agent, Kind, Verdict as CallVerdict, limits};
use crate::base::text;
use crate::foreman::reporting::report::End;
use crate::foreman::stages::context::StageContext;
use crate::guard::secrets;
use crate::model::run::outcome::{Suspended, Verdict};

/// How long an agent rests that does not say when its limit is over.
const UNKNOWN_LIMIT: std::time::Duration = std::time::Duration::from_secs(3600);
/// How often a stage is continued after a limit of the agent's own.
const CONTINUED: u32 = 3;

/// What follows a call that brought no answer.
pub enum FollowUp {
    /// Its start collided with another one: start it again at once.
    Restart,
    /// Call again at once, in its session, or in a new one when the unfinished call names none. Why, for people.
    Retry(String),
    End(End),
}

/// Ok when the call brought an answer. `resumed`: it continued a session.
pub fn classify(context: &mut StageContext, agent: &Agent, said: &CallResult, resumed: bool) -> Result<(), FollowUp> {
    if said.over_budget {
        return Err(FollowUp::End(context.overrun()));
    }
    if said.cancelled {
        let why = format!("asked to stop during a call of {}", agent.name);
        return Err(FollowUp::End(End::new(Verdict::Paused, why)));
    }
    let (kind, why) = match &said.conclusion.verdict {
        CallVerdict::Succeeded => return Ok(()),
        CallVerdict::RateLimited { until, why } => {
            let until = until.map_or_else(
                || context.hub.now().plus(UNKNOWN_LIMIT),
                |until| until.plus(context.runner.settings.after_limit),
            );
            return Err(FollowUp::End(suspended(context, agent, why, Some(until))));
        }
        CallVerdict::Failed { why, kind } => (*kind, why),
        CallVerdict::NoResult { why, outage } => (if *outage { Kind::Service } else { Kind::Other }, why),
    };
    Err(match kind {
        Kind::Busy => FollowUp::Restart,
        Kind::Service | Kind::Limit => FollowUp::End(suspended(context, agent, why, None)),
        Kind::Turns => continued(context, agent, why),
        // It works, and has not come to its end: no attempt of it has failed.
        Kind::Other if said.took_too_long && said.conclusion.worked && agent.resumes() => {
            continued(context, agent, why)
        }
        Kind::Request | Kind::SetUp | Kind::Other if session_is_lost(said, kind, resumed) && may_continue(context) => {
            if let Some(left) = &mut context.store.unfinished {
                left.session = None;
            }
            FollowUp::Retry("its session cannot be continued; a new one begins".to_owned())
        }
        Kind::Account | Kind::SetUp => {
            needs_person(context, agent, why, &format!("see what is missing: `teof agent doctor {}`", agent.name))
        }
        Kind::Billing => needs_person(context, agent, why, "its account has to be paid for before it works on"),
        Kind::Request => {
            needs_person(context, agent, why, "the same request fails again: check its model and arguments")
        }
        Kind::Budget if agent.budget_args.is_some() && context.report.work.order.budget.cost > 0.0 => {
            FollowUp::End(context.overrun())
        }
        Kind::Budget => needs_person(context, agent, why, "it used up the budget that its own arguments set"),
        Kind::Rejected | Kind::Stopped | Kind::Other => FollowUp::End(failed(agent, said)),
    })
}

/// Whether it is the session that failed, not the agent: it is gone, or has grown too long.
fn session_is_lost(said: &CallResult, kind: Kind, resumed: bool) -> bool {
    match kind {
        // What was answered before is refused now: the conversation does not fit any more.
        Kind::Request => resumed || said.conclusion.worked,
        _ => resumed && !said.conclusion.worked,
    }
}

/// An attempt that failed: the next one continues.
pub fn failed(agent: &Agent, said: &CallResult) -> End {
    let why = match &said.conclusion.verdict {
        CallVerdict::Failed { why, .. } | CallVerdict::NoResult { why, .. } | CallVerdict::RateLimited { why, .. } => {
            why
        }
        CallVerdict::Succeeded => "it could not be started",
    };
    End::new(Verdict::Failed, secrets::redact(&format!("{}: {why}", agent.name)))
}

/// The agent is not called for a while; `None`: its service is out of order, and the coordinator says how long.
fn suspended(context: &mut StageContext, agent: &Agent, why: &str, until: Option<crate::base::Stamp>) -> End {
    let reason = secrets::redact(limits::without_time(why));
    let what = if until.is_some() { "is at its limit" } else { "gets no answer from its service" };
    let end = End::new(Verdict::Paused, format!("{} {what}: {reason}", agent.name));
    context.report.suspended = Some(Suspended {
        agent: agent.name.clone(),
        until: until.unwrap_or_else(|| context.hub.now()),
        reason,
        outage: until.is_none(),
    });
    end
}

/// Counts a continuation; a stage has only so many.
fn may_continue(context: &mut StageContext) -> bool {
    let Some(left) = &mut context.store.unfinished else { return false };
    left.continued += 1;
    left.continued <= CONTINUED
}

/// The agent's own limit of turns: it goes on in the same session, where it can, and not for ever.
fn continued(context: &mut StageContext, agent: &Agent, why: &str) -> FollowUp {
    let has_session = context.store.unfinished.as_ref().is_some_and(|left| left.session.is_some());
    match has_session && agent.resumes() && may_continue(context) {
        true => FollowUp::Retry(format!("{why}; continued in the same session")),
        false => needs_person(context, agent, why, "raise the agent's own limit, or split the step"),
    }
}

/// It fails again until a person has acted.
fn needs_person(context: &mut StageContext, agent: &Agent, why: &str, next: &str) -> FollowUp {
    context.report.needs_person = true;
    let why = text::clip(&secrets::redact(why), 200);
    FollowUp::End(End::new(Verdict::Failed, format!("{}: {why}; a person must act: {next}", agent.name)))
}
