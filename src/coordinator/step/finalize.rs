//! The end of a job: blocked or finalized, and when that opens the breaker.

use super::context::StepContext;
use super::reason::{MAX_REASON, said_last};
use crate::base::text;
use crate::coordinator::state::input::{Action, Reply};
use crate::coordinator::state::submission::Submission;
use crate::coordinator::state::{Ending, Last, Phase, Trip};
use crate::hub::settings::notify::Topic;
use crate::model::run::job_name::is_called;

impl StepContext<'_> {
    pub(in crate::coordinator) fn block(&mut self, id: &str, reason: &str) {
        if self.ends_as_decided(id) {
            return;
        }
        self.note_reason(id, reason);
        if let Some(job) = self.job_mut(id) {
            job.decision = None;
        }
        self.state.breaker.failures_in_a_row += 1;
        let row = self.state.breaker.failures_in_a_row;
        if row >= self.config.breaker_after {
            self.trip(
                id,
                format!(
                    "{} in a row {} blocked",
                    crate::base::text::counted(row, "job"),
                    if row == 1 { "was" } else { "were" }
                ),
            );
        }
        self.finalize(id, Ending::Blocked);
    }

    pub(in crate::coordinator) fn trip(&mut self, id: &str, reason: String) {
        if self.state.breaker.open.is_some() {
            return;
        }
        self.state.breaker.open = Some(Trip { at: self.now, reason: reason.clone(), job: id.to_owned() });
        self.state.totals.breaker_trips += 1;
        let text = format!("the breaker is open: {reason}; no new job starts until a person resets it");
        self.say(Some(id.to_owned()), text.clone());
        self.notify(Topic::Breaker, Some(id), &text);
        self.queue(Action::Note { text, job: Some(id.to_owned()), alert: true });
    }

    /// Stores a reason that does not come from an outcome.
    pub(in crate::coordinator) fn note_reason(&mut self, id: &str, reason: &str) {
        let reason = text::clip(reason, MAX_REASON);
        let Some(job) = self.job_mut(id) else { return };
        match &mut job.last {
            Some(last) => last.reason = reason,
            None => {
                let run = job.run_id();
                job.last = Some(Last::silent(run, reason, None));
            }
        }
    }

    pub(in crate::coordinator) fn finalize(&mut self, id: &str, ending: Ending) {
        self.enter(id, Phase::Finalizing { ending });
        self.queue(Action::Finalize { job: id.to_owned(), ending });
    }

    pub(in crate::coordinator) fn was_finalized(&mut self, id: &str, ending: Ending, reply: Reply) {
        let now = self.now;
        let Some(job) = self.job_mut(id) else { return };
        job.phase = Phase::Over { ending, at: now };
        let (task, name) = (job.task.clone(), format!("{} {} ({})", job.short(), job.task, job.seat));
        let decided = job.decision.is_some();
        let mut why = job.last.as_ref().map_or(String::new(), |last| format!(": {}", last.reason));
        if ending == Ending::Blocked && !decided {
            why.push_str(&said_last(job));
        }
        let mut text = match why.strip_prefix(": ").filter(|why| why.starts_with(ending.as_str())) {
            Some(why) => why.to_owned(),
            None => format!("{}{why}", ending.as_str()),
        };
        if ending == Ending::Done {
            self.forget_commands_about(id);
        }
        if let Reply::Refused { why } = reply {
            text.push_str(&format!("; its step, item or claim was not updated: {why}"));
            // Its step may still look open.
            self.state.cooling.insert(task.clone(), now.plus(self.config.cool_down));
        }
        let totals = &mut self.state.totals;
        *match ending {
            Ending::Done | Ending::Reverted => &mut totals.done,
            Ending::Blocked => &mut totals.blocked,
            Ending::Cancelled => &mut totals.cancelled,
            Ending::Dropped => &mut totals.dropped,
        } += 1;
        self.state.volatile.observe_again = true;
        self.say(Some(id.to_owned()), text.clone());
        if ending != Ending::Dropped {
            let text = format!("{name} is {text}");
            // A person's decision needs no attention.
            let alert = ending == Ending::Blocked && !decided;
            match ending {
                Ending::Done => self.notify(Topic::Completed, Some(id), &text),
                _ if alert => self.notify(Topic::Failed, Some(id), &text),
                _ => {}
            }
            self.queue(Action::Note { text, job: Some(id.to_owned()), alert });
        }
    }

    /// Forgets what operators said about work that is done now: it is not done again, and a command must not apply to
    /// a later task with the same name.
    fn forget_commands_about(&mut self, id: &str) {
        let Some(job) = self.state.jobs.iter().find(|job| job.id == id) else { return };
        let (task, plan, step) = (&job.task, job.plan.as_deref(), job.step.as_deref());
        // The whole plan may have other steps.
        let is_about = |name: &str| Some(name) != plan && is_called(name, task, plan, step) || name == task;
        self.state.skips.retain(|name, _| !is_about(name));
        self.state.reassigned.retain(|name, _| !is_about(name));
        self.state.cooling.remove(task);
        let is_again =
            |one: &Submission| one.task == *task || (plan.is_some() && one.plan == job.plan && one.step == job.step);
        self.state.submissions.retain(|one| !is_again(one));
    }
}
