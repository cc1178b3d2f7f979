//! What a job's run came to: alive, gone, ended; and which workers are told to stop.

use super::context::StepContext;
use super::reason::{MAX_REASON, beyond};
use crate::base::text;
use crate::base::time::show_span;
use crate::coordinator::state::input::{Action, Effect, How, RunState};
use crate::coordinator::state::{Ending, Last, Phase};
use crate::guard::moved_target;
use crate::hub::settings::notify::Topic;
use crate::model::agent::Usage;
use crate::model::run::outcome::{Finding, Outcome, Verdict};

impl StepContext<'_> {
    pub(in crate::coordinator) fn run_is(&mut self, run: &str, is: RunState) {
        let Some(job) = self.state.live_jobs().find(|job| job.run_id() == run) else { return };
        let id = job.id.clone();
        match (&job.phase, is) {
            (Phase::Running { .. }, RunState::Alive) => {
                self.state.volatile.alive.insert(run.to_owned());
                self.state.volatile.frozen.remove(run);
            }
            (Phase::Running { .. }, RunState::Frozen) => {
                self.state.volatile.alive.insert(run.to_owned());
                if self.state.volatile.frozen.insert(run.to_owned()) {
                    let text = "its worker is stuck; it is restarted";
                    self.notify(Topic::Stuck, Some(&id), text);
                    self.say(Some(id), text.into());
                }
            }
            (Phase::Running { .. }, RunState::Gone) => self.gone(&id, run),
            // What an earlier worker of this run left when it was paused; the one that starts removes it.
            (Phase::Spawning, RunState::Ended(outcome)) if outcome.verdict == Verdict::Paused => {}
            // A fast worker may finish before its start is confirmed.
            (Phase::Running { .. } | Phase::Spawning, RunState::Ended(outcome)) => self.ended(&id, &outcome),
            _ => {}
        }
    }

    fn ended(&mut self, id: &str, outcome: &Outcome) {
        let reason = text::clip(&outcome.reason, MAX_REASON);
        self.count(id, outcome);
        self.learn(outcome.quotas.clone());
        let Some(job) = self.job_mut(id) else { return };
        let cancelled = job.wish.is_some();
        job.last = Some(Last::of(outcome, reason.clone()));
        // The worker has run, so the result of its start is not needed.
        self.forget(id, |action| matches!(action, Action::Spawn { .. }));
        self.state.unrecorded_since.get_or_insert(self.now);
        if outcome.suspended.is_none() && (outcome.usage != Usage::default() || outcome.verdict == Verdict::Succeeded) {
            self.answers_again(id);
        }
        match outcome.verdict {
            // A command after the work is finished is too late, unless a person decides about the result.
            Verdict::Succeeded => {
                self.state.breaker.failures_in_a_row = 0;
                match self.state.job(id).is_some_and(|job| self.needs_review(job)) {
                    true => self.submit_result(id),
                    false => self.finalize(id, Ending::Done),
                }
            }
            _ if cancelled => self.end_as_wished(id),
            // The bundle is written before the outcome, so a person may already have decided.
            _ if self.ends_as_decided(id) => {}
            // A retry would fail again.
            Verdict::Failed if outcome.needs_person => self.block(id, &reason),
            Verdict::Failed => self.failed(id, &reason),
            Verdict::Paused if outcome.question.is_some() => self.asks(id),
            Verdict::Paused if outcome.suspended.is_some() => {
                outcome.suspended.iter().for_each(|suspended| self.suspend(id, suspended));
            }
            Verdict::Paused => self.paused(id, &outcome.run, &reason),
            Verdict::Blocked | Verdict::Refused => {
                self.state.totals.guard_refusals += 1;
                self.block(id, &format!("{}{}", outcome.reason, beyond(outcome)));
            }
        }
        self.check_breaker(id, outcome);
    }

    /// The breaker's other reasons: a new finding of high severity in the scan, a target that the worker moved, a
    /// budget overrun. Other guard findings do not open it, because the guard has already stopped the result.
    fn check_breaker(&mut self, id: &str, outcome: &Outcome) {
        let scan = outcome.scan.iter().find(|found| found.severity == "high");
        let stops =
            |found: &&Finding| moved_target::CODES.contains(&found.code.as_str()) || found.code.starts_with("budget.");
        if let Some(found) = scan.or_else(|| outcome.findings.iter().find(stops)) {
            let what = text::clip(&text::safe(&found.message), MAX_REASON);
            self.trip(id, format!("{what} ({})", found.code));
        }
    }

    /// A worker that died without an outcome (killed, or machine restart) did not fail: it continues where it was, a
    /// limited number of times.
    fn gone(&mut self, id: &str, run: &str) {
        let frozen = self.state.volatile.frozen.remove(run);
        let witnessed = self.state.volatile.alive.remove(run) && !frozen;
        let max = self.config.max_interruptions;
        // Its killer may still be active.
        let wait = self.config.retry_after.first().copied().filter(|_| witnessed).unwrap_or_default();
        let until = self.now.plus(wait);
        let Some(job) = self.job_mut(id) else { return };
        let reason = "the worker died before it reported a result".to_owned();
        job.last = Some(Last::silent(run.to_owned(), reason, job.last.as_ref()));
        if job.wish.is_some() {
            return self.end_as_wished(id);
        }
        // It may have died after writing its bundle.
        if self.ends_as_decided(id) {
            return;
        }
        let Some(job) = self.job_mut(id) else { return };
        if job.interruptions >= max {
            let why = format!("its worker died {} before it reported a result", text::counted(max, "time"));
            self.block(id, &why);
        } else {
            job.interruptions += 1;
            job.phase = Phase::Waiting { until };
            let text = "its worker was interrupted; resumed";
            self.notify(Topic::Recovered, Some(id), text);
            self.say(Some(id.to_owned()), text.into());
        }
    }

    /// A process failure or a timeout: retried later, as often as configured.
    pub(in crate::coordinator) fn failed(&mut self, id: &str, reason: &str) {
        let (now, retries) = (self.now, self.config.retry_after.clone());
        let Some(job) = self.job_mut(id) else { return };
        job.failures += 1;
        let attempts = job.failures;
        let Some(wait) = retries.get(attempts as usize - 1) else {
            let why = match attempts {
                1 => format!("failed, not retried: {reason}"),
                _ => format!("{attempts} attempts failed; the last: {reason}"),
            };
            self.block(id, &why);
            return;
        };
        // A run with an outcome is over; one that could not start keeps its number. A decision about its result is
        // valid only for its run.
        if job.last.as_ref().is_some_and(|last| last.verdict.is_some()) {
            job.run += 1;
            job.spent = job.used();
            (job.counted, job.decision) = (Default::default(), None);
        }
        job.phase = Phase::Waiting { until: now.plus(*wait) };
        self.state.totals.retries += 1;
        let wait = show_span(*wait);
        self.say(Some(id.to_owned()), format!("attempt {attempts} failed: {reason}; retried in {wait}"));
    }

    /// Stops workers that are no longer wanted, each once.
    pub(in crate::coordinator) fn stop_workers(&mut self) {
        let ending = self.state.volatile.termination;
        let mut tell = Vec::new();
        for job in &self.state.jobs {
            let Phase::Running { .. } = job.phase else { continue };
            let wished = job.wish.as_ref().map(|wish| if wish.now { How::Now } else { How::Stage });
            let frozen = self.state.volatile.frozen.contains(&job.run_id()).then_some(How::Now);
            let yields = job.yields_to.is_some().then_some(How::Stage);
            let paused = job.paused.is_some().then_some(How::Stage);
            let over = self.state.volatile.over_budget.then_some(How::Now);
            let Some(how) = wished.max(yields).max(paused).max(frozen).max(over).max(ending) else { continue };
            if self.state.volatile.notified_workers.get(&job.run_id()) < Some(&how) {
                tell.push((job.run_id(), job.task.clone(), how));
            }
        }
        for (run, task, how) in tell {
            self.state.volatile.notified_workers.insert(run.clone(), how);
            self.out.push(Effect::StopWorker { run, task, how });
        }
        let StepContext { state, .. } = self;
        let jobs = &state.jobs;
        state
            .volatile
            .notified_workers
            .retain(|run, _| jobs.iter().any(|job| matches!(job.phase, Phase::Running { .. }) && job.run_id() == *run));
        let running = |run: &String| jobs.iter().any(|job| job.takes_a_slot() && job.run_id() == *run);
        state.volatile.frozen.retain(running);
        state.volatile.using.retain(|run, _| running(run));
    }
}
