//! Classifies a call that returned no answer and decides what to do next.
//!
//! An account limit, an outage or a stop does not count as an attempt. A failure that only a person can fix is not
//! retried. A call that reached the agent's own limit is continued in its session, a few times.

use crate::agents::{Agent, Kind, Verdict as CallVerdict, limits};
use crate::base::text;
use crate::base::time::show_span;
use crate::exec::TimedOut;
use crate::foreman::calls::conversation::CallResult;
use crate::foreman::calls::notes;
use crate::foreman::reporting::alert;
use crate::foreman::reporting::report::End;
use crate::foreman::results::question;
use crate::foreman::stages::commit;
use crate::foreman::stages::context::StageContext;
use crate::guard::secrets;
use crate::model::agent::Format;
use crate::model::run::noticed::Noticed;
use crate::model::run::outcome::{Finding, Suspended, Verdict};

/// How long an agent is suspended when it does not say when its limit ends.
const UNKNOWN_LIMIT: std::time::Duration = std::time::Duration::from_secs(3600);
/// How often a stage is continued after the agent reached its own limit.
const CONTINUED: u32 = 3;
/// How often in a row one job suspends an agent because its plain text reads like an outage: with the waits of outages
/// for some two hours.
const OUTAGES: u32 = 12;
/// Code of the finding about an agent that a rule of the monitor stopped.
const STOPPED: &str = "monitor.stopped";

/// What to do after a call that returned no answer.
pub enum FollowUp {
    /// The start collided with another one: start it again at once.
    Restart,
    /// Call again at once, in its session, or in a new one when the unfinished call names none. Holds the reason, for
    /// people.
    Retry(String),
    End(End),
}

/// Ok when the call returned an answer. `resumed`: the call continued a session.
pub fn classify(context: &mut StageContext, agent: &Agent, said: &CallResult, resumed: bool) -> Result<(), FollowUp> {
    if said.over_budget {
        return Err(FollowUp::End(context.overrun()));
    }
    if said.cancelled {
        let why = format!("interrupted during a call of {}: a stop was requested", agent.name);
        return Err(FollowUp::End(End::new(Verdict::Paused, why)));
    }
    if let Some(asked) = &said.asks {
        return Err(FollowUp::End(asks_permission(context, agent, asked)));
    }
    if let Some(request) = said.stopped.as_ref().filter(|_| said.conclusion.verdict != CallVerdict::Succeeded) {
        if let Some(note) = &request.note
            && let Err(e) = notes::add(context.hub, context.report.work.job(), &request.by, note)
        {
            tracing::warn!("cannot keep the note for the next call: {e:#}");
        }
        let why = secrets::redact(&text::safe(&request.describe()));
        return Err(FollowUp::End(End::new(Verdict::Failed, format!("the session of {} was {why}", agent.name))));
    }
    if let Some(noticed) = &said.stop {
        return Err(FollowUp::End(stopped(context, agent, noticed)));
    }
    if said.conclusion.verdict == CallVerdict::Succeeded {
        return Ok(());
    }
    if matches!(said.timed_out, Some(TimedOut::Silence | TimedOut::Meaning)) {
        stuck(context, agent, said);
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
    if kind != Kind::Service {
        count_outages(context, 0);
    }
    Err(match kind {
        Kind::Busy => FollowUp::Restart,
        Kind::Service if agent.format == Format::Text && is_said_too_often(context) => {
            let next = "Its words read like an outage of its service: check that, then retry the job";
            needs_person(context, agent, why, next)
        }
        Kind::Service | Kind::Limit => FollowUp::End(suspended(context, agent, why, None)),
        Kind::Turns => continued(context, agent, why),
        // The agent works but has not finished: this is not a failed attempt.
        Kind::Other if said.timed_out == Some(TimedOut::Wall) && said.conclusion.worked && agent.resumes() => {
            continued(context, agent, why)
        }
        Kind::Request | Kind::SetUp | Kind::Other if session_is_lost(said, kind, resumed) && may_continue(context) => {
            if let Some(left) = &mut context.store.unfinished {
                left.session = None;
            }
            FollowUp::Retry("its session cannot be resumed; starting a new one".to_owned())
        }
        Kind::Account | Kind::SetUp => {
            needs_person(context, agent, why, &format!("See what is missing: teof agent doctor {}", agent.name))
        }
        Kind::Billing => needs_person(context, agent, why, "Pay for its account"),
        Kind::Request => {
            needs_person(context, agent, why, "Check its model and arguments; a retry without a change fails again")
        }
        Kind::Budget if agent.budget_args.is_some() && context.report.work.order.budget.cost > 0.0 => {
            FollowUp::End(context.overrun())
        }
        Kind::Budget => needs_person(context, agent, why, "Raise the budget in its arguments; it is used up"),
        Kind::Rejected | Kind::Stopped | Kind::Other => FollowUp::End(failed(agent, said)),
    })
}

/// A rule wants a person to decide what the agent asked permission for; its turn was ended meanwhile.
fn asks_permission(context: &mut StageContext, agent: &Agent, asked: &Noticed) -> End {
    if let Some(left) = &mut context.store.unfinished {
        left.asks = Some(asked.clone());
        left.asks_digest.clone_from(&asked.digest);
        let job = context.report.work.job().to_owned();
        if let Err(e) = context.store.save(context.hub, &job) {
            tracing::debug!("cannot keep what the agent asked: {e:#}");
        }
    }
    let question = format!(
        "The agent {} asks whether it may do what the rule {} is about:\n\n    {}\n\nMay it do this? Answer yes or no, \
            and say why if it helps.",
        agent.name, asked.rule, asked.text
    );
    context.report.question = Some(question::bounded(&question));
    End::new(Verdict::Paused, format!("{} asks for permission: {}", agent.name, asked.describe()))
}

/// A rule of the monitor stopped the agent. Its uncommitted work is kept under a ref and stays in the worktree.
fn stopped(context: &mut StageContext, agent: &Agent, noticed: &Noticed) -> End {
    let message = format!("the monitor stopped {}: {}", agent.name, noticed.describe());
    let mut found = Finding::high(STOPPED, "", message.clone());
    let kept = commit::keep_unfinished(context);
    found.hint = Some(match &kept {
        Ok(Some(name)) => format!("see the work that is kept: git show {name}"),
        Ok(None) => "the agent had changed nothing".to_owned(),
        Err(why) => format!("its work is in its worktree only: {why:#}"),
    });
    let kept = kept.ok().flatten();
    let reason = kept.as_ref().map_or(message.clone(), |name| format!("{message}; its work is kept at {name}"));
    context.report.kept_refs.extend(kept);
    context.report.findings.push(found);
    End::new(Verdict::Blocked, reason)
}

/// Reports an agent without a sign of life at once: retries may take hours.
fn stuck(context: &StageContext, agent: &Agent, said: &CallResult) {
    let guardrails = &context.report.work.order.guardrails;
    let (window, what) = match said.timed_out {
        Some(TimedOut::Silence) => (guardrails.no_output, "printed nothing"),
        _ => (guardrails.no_event, "made no progress"),
    };
    let stage = context.store.unfinished.as_ref().map_or("", |left| &left.stage);
    let summary =
        format!("{} is stuck: it {what} for {} in the {stage} stage and was stopped", agent.name, show_span(window));
    (context.say)(&format!("      {summary}"));
    alert::raise(context.hub, context.report.work, &context.report.run, alert::STUCK, &summary);
}

/// Whether the session failed rather than the agent: it no longer exists, or is too long.
fn session_is_lost(said: &CallResult, kind: Kind, resumed: bool) -> bool {
    match kind {
        // The agent answered in this session before and refuses now: the conversation is too long.
        Kind::Request => resumed || said.conclusion.worked,
        _ => resumed && !said.conclusion.worked,
    }
}

/// A failed attempt; the next one continues from it.
pub fn failed(agent: &Agent, said: &CallResult) -> End {
    let why = match &said.conclusion.verdict {
        CallVerdict::Failed { why, .. } | CallVerdict::NoResult { why, .. } | CallVerdict::RateLimited { why, .. } => {
            why
        }
        CallVerdict::Succeeded => "it could not be started",
    };
    End::new(Verdict::Failed, secrets::redact(&format!("{}: {why}", agent.name)))
}

/// Suspends the agent until a time. `None`: its service is down, and the coordinator decides for how long.
fn suspended(context: &mut StageContext, agent: &Agent, why: &str, until: Option<crate::base::Stamp>) -> End {
    let reason = secrets::redact(limits::without_time(why));
    let what = if until.is_some() { "is at its limit" } else { "cannot reach its service" };
    let end = End::new(Verdict::Paused, format!("{} {what}: {reason}", agent.name));
    context.report.suspended = Some(Suspended {
        agent: agent.name.clone(),
        until: until.unwrap_or_else(|| context.hub.now()),
        reason,
        outage: until.is_none(),
    });
    end
}

/// Whether a job's text agent said once too often in a row that its service is down. In plain text that is a guess: the
/// words may be of a test or of a program that the work is about, and other jobs would wait for them.
fn is_said_too_often(context: &mut StageContext) -> bool {
    let outages = context.store.outages + 1;
    let is_too_often = outages > OUTAGES;
    // A person who retries the job has checked it.
    count_outages(context, if is_too_often { 0 } else { outages });
    is_too_often
}

fn count_outages(context: &mut StageContext, outages: u32) {
    if context.store.outages == outages {
        return;
    }
    context.store.outages = outages;
    let job = context.report.work.job().to_owned();
    if let Err(e) = context.store.save(context.hub, &job) {
        tracing::debug!("cannot count an outage: {e:#}");
    }
}

/// Counts a continuation; false when the stage has none left.
fn may_continue(context: &mut StageContext) -> bool {
    let Some(left) = &mut context.store.unfinished else { return false };
    left.continued += 1;
    left.continued <= CONTINUED
}

/// The agent reached its own turn limit: continue in the same session where possible, a limited number of times.
fn continued(context: &mut StageContext, agent: &Agent, why: &str) -> FollowUp {
    let has_session = context.store.unfinished.as_ref().is_some_and(|left| left.session.is_some());
    match has_session && agent.resumes() && may_continue(context) {
        true => FollowUp::Retry(format!("{why}; continued in the same session")),
        false => needs_person(context, agent, why, "Raise the agent's turn limit, or split the step"),
    }
}

/// Ends the run: the call fails again until a person acts.
fn needs_person(context: &mut StageContext, agent: &Agent, why: &str, next: &str) -> FollowUp {
    context.report.needs_person = true;
    let why = text::clip(&secrets::redact(why), 200);
    let why = why.trim_end_matches('.');
    FollowUp::End(End::new(Verdict::Failed, format!("the agent {} failed: {why}. {next}", agent.name)))
}
