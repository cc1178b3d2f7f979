//! A job's way: given, ordered, spawned, run, settled; and the ways off it.

use super::context::{StepContext, closed, has_slot};
use super::reason::{beyond, said_last};
use crate::base::text;
use crate::coordinator::state::input::{Action, Effect, How, Reply, RunState};
use crate::coordinator::state::{Ending, Job, Last, Phase, Trip};
use crate::guard::moved_target;
use crate::model::agent::Usage;
use crate::model::run::outcome::{Finding, Outcome, Verdict};

/// The longest reason that is kept in the state, in characters.
const MAX_REASON: usize = 300;

impl StepContext<'_> {
    pub(in crate::coordinator) fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.state.jobs.iter_mut().find(|job| job.id == id)
    }

    /// Jobs that wait for time or permission go on when they have both, and a slot.
    pub(in crate::coordinator) fn start_what_rests(&mut self) {
        for at in 0..self.state.jobs.len() {
            let job = &self.state.jobs[at];
            let awake = self.state.asleep(&job.work.agents, self.now).is_none();
            let ready = match job.phase {
                Phase::Held => awake,
                Phase::Waiting { until } => awake && until <= self.now,
                _ => false,
            };
            let id = job.id.clone();
            if job.wish.is_some() && job.rests() && !job.is_over() {
                self.forget(&id, |action| !matches!(action, Action::Finalize { .. }));
                self.end_as_wished(&id);
            } else if ready && closed(self.state, &job.task).is_none() && has_slot(self.state, &self.config) {
                self.begin(&id);
            }
        }
    }

    /// The first thing of every attempt: the claim is the seat's, and its lease is new.
    pub(in crate::coordinator) fn begin(&mut self, id: &str) {
        self.enter(id, Phase::Assigning);
        self.queue(Action::Assign { job: id.to_owned() });
    }

    pub(in crate::coordinator) fn was_assigned(&mut self, id: &str, reply: Reply) {
        match reply {
            Reply::Assigned { epoch } => {
                let Some(job) = self.job_mut(id) else { return };
                job.epoch = Some(epoch);
                self.go_on(id);
            }
            Reply::NotNow { why } => self.hold_back(id, why),
            Reply::Refused { why } => {
                let until = self.now.plus(self.config.cool_down);
                let Some(job) = self.job_mut(id) else { return };
                let task = job.task.clone();
                self.state.cooling.insert(task, until);
                self.say(Some(id.to_owned()), format!("not assigned: {why}"));
                self.note_reason(id, &why);
                self.finalize(id, Ending::Dropped);
            }
            Reply::Done
            | Reply::Unchanged
            | Reply::Ordered { .. }
            | Reply::Delivered { .. }
            | Reply::Failed { .. }
            | Reply::Broken { .. } => {}
        }
    }

    pub(in crate::coordinator) fn was_ordered(&mut self, id: &str, reply: Reply) {
        match reply {
            Reply::Ordered { path, work } => {
                let Some(job) = self.job_mut(id) else { return };
                (job.order, job.work) = (Some(path), work);
                self.go_on(id);
            }
            Reply::Refused { why } => self.block(id, &why),
            Reply::NotNow { why } => self.hold_back(id, why),
            Reply::Done
            | Reply::Unchanged
            | Reply::Assigned { .. }
            | Reply::Delivered { .. }
            | Reply::Failed { .. }
            | Reply::Broken { .. } => {}
        }
    }

    pub(in crate::coordinator) fn was_spawned(&mut self, id: &str, run: &str, reply: Reply) {
        let now = self.now;
        let Some(job) = self.job_mut(id).filter(|job| job.phase == Phase::Spawning && job.run_id() == run) else {
            return;
        };
        match reply {
            Reply::Done => {
                job.phase = Phase::Running { since: now };
                job.answer = None;
                self.state.volatile.alive.insert(run.to_owned());
                self.say(Some(id.to_owned()), "running".into());
            }
            Reply::NotNow { why } => self.hold_back(id, why),
            Reply::Refused { why } => self.failed(id, &why),
            Reply::Unchanged
            | Reply::Assigned { .. }
            | Reply::Ordered { .. }
            | Reply::Delivered { .. }
            | Reply::Failed { .. }
            | Reply::Broken { .. } => {}
        }
    }

    /// The next thing of an attempt, unless it is not wanted or not allowed any more.
    fn go_on(&mut self, id: &str) {
        if self.ends_as_decided(id) {
            return;
        }
        let Some(job) = self.state.job(id) else { return };
        if job.wish.is_some() {
            self.end_as_wished(id);
        } else if closed(self.state, &job.task).is_some() {
            self.enter(id, Phase::Held);
        } else if job.order.is_none() {
            self.enter(id, Phase::Ordering);
            self.queue(Action::Order { job: id.to_owned() });
        } else if let Some((_, suspension)) = self.state.asleep(&job.work.agents, self.now) {
            let until = suspension.until;
            self.enter(id, Phase::Waiting { until });
        } else {
            let run = job.run_id();
            self.enter(id, Phase::Spawning);
            self.queue(Action::Spawn { job: id.to_owned(), run });
        }
    }

    /// Consent or a hold came between the look and the transaction: look again, and try again a little later.
    fn hold_back(&mut self, id: &str, why: String) {
        self.say(Some(id.to_owned()), format!("held: {why}"));
        self.enter(id, Phase::Waiting { until: self.now.plus(self.config.poll_min) });
        self.state.volatile.observe_again = true;
    }

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
                    self.say(Some(id), "its worker is stuck; it is restarted".into());
                }
            }
            (Phase::Running { .. }, RunState::Gone) => self.gone(&id, run),
            // A quick worker may be done before its start is known to have worked.
            (Phase::Running { .. } | Phase::Spawning, RunState::Ended(outcome)) => self.ended(&id, &outcome),
            _ => {}
        }
    }

    fn ended(&mut self, id: &str, outcome: &Outcome) {
        let reason = text::clip(&outcome.reason, MAX_REASON);
        self.count(id, outcome);
        let Some(job) = self.job_mut(id) else { return };
        let cancelled = job.wish.is_some();
        job.last = Some(Last {
            run: outcome.run.clone(),
            verdict: Some(outcome.verdict),
            reason: reason.clone(),
            commit: outcome.commit.clone(),
            envelope: outcome.envelope.clone(),
            bundle: outcome.bundle.clone(),
            passes: outcome.passes,
            session: outcome.session.clone(),
            output: outcome.last_output.clone(),
            question: outcome.question.clone(),
        });
        // The worker is known to have run: its start needs no result any more.
        self.forget(id, |action| matches!(action, Action::Spawn { .. }));
        self.state.unrecorded_since.get_or_insert(self.now);
        if outcome.suspended.is_none() && (outcome.usage != Usage::default() || outcome.verdict == Verdict::Succeeded) {
            self.answers_again(id);
        }
        match outcome.verdict {
            // A word that comes after the work is done comes too late, unless a person decides about it anyway.
            Verdict::Succeeded => {
                self.state.breaker.failures_in_a_row = 0;
                match self.state.job(id).is_some_and(|job| self.needs_review(job)) {
                    true => self.submit_result(id),
                    false => self.finalize(id, Ending::Done),
                }
            }
            _ if cancelled => self.end_as_wished(id),
            // The bundle is written before a worker's last word: a person may have decided by it.
            _ if self.ends_as_decided(id) => {}
            // Tried again it would fail again.
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
        self.weigh(id, outcome);
    }

    /// The breaker's other reasons: a new finding of high severity in the scan, a target that the worker moved, a
    /// budget overrun. What else a guard found in the result is no such reason: the guard has stopped it.
    fn weigh(&mut self, id: &str, outcome: &Outcome) {
        let scan = outcome.scan.iter().find(|found| found.severity == "high");
        let stops =
            |found: &&Finding| moved_target::CODES.contains(&found.code.as_str()) || found.code.starts_with("budget.");
        if let Some(found) = scan.or_else(|| outcome.findings.iter().find(stops)) {
            let what = text::clip(&text::safe(&found.message), MAX_REASON);
            self.trip(id, format!("{what} ({})", found.code));
        }
    }

    /// A worker that died without a word (killed, or together with the machine) has failed at nothing: it goes on
    /// where it was, and not for ever.
    fn gone(&mut self, id: &str, run: &str) {
        let frozen = self.state.volatile.frozen.remove(run);
        let witnessed = self.state.volatile.alive.remove(run) && !frozen;
        let max = self.config.max_interruptions;
        // What is there to kill it may be there still.
        let wait = self.config.retry_after.first().copied().filter(|_| witnessed).unwrap_or_default();
        let until = self.now.plus(wait);
        let Some(job) = self.job_mut(id) else { return };
        let reason = "the worker died before it reported a result".to_owned();
        job.last = Some(silent(run.to_owned(), reason, job.last.as_ref()));
        if job.wish.is_some() {
            return self.end_as_wished(id);
        }
        // It may have died after its bundle was written.
        if self.ends_as_decided(id) {
            return;
        }
        let Some(job) = self.job_mut(id) else { return };
        if job.interruptions >= max {
            let why = format!("its worker died {max} times before it reported a result");
            self.block(id, &why);
        } else {
            job.interruptions += 1;
            job.phase = Phase::Waiting { until };
            self.say(Some(id.to_owned()), "its worker was interrupted; resumed".into());
        }
    }

    /// A process failure or a time-out: again, later, as often as the rules say.
    fn failed(&mut self, id: &str, reason: &str) {
        let (now, retries) = (self.now, self.config.retry_after.clone());
        let Some(job) = self.job_mut(id) else { return };
        job.failures += 1;
        let attempts = job.failures;
        let Some(wait) = retries.get(attempts as usize - 1) else {
            let why = match attempts {
                1 => format!("it failed and is not retried: {reason}"),
                _ => format!("{attempts} attempts failed; the last: {reason}"),
            };
            self.block(id, &why);
            return;
        };
        // A run that left an outcome is over; one that could not be started keeps its number.
        // A decision about its result holds as long as its run does.
        if job.last.as_ref().is_some_and(|last| last.verdict.is_some()) {
            job.run += 1;
            (job.counted, job.decision) = (Default::default(), None);
        }
        job.phase = Phase::Waiting { until: now.plus(*wait) };
        self.state.totals.retries += 1;
        let wait = crate::base::time::show_span(*wait);
        self.say(Some(id.to_owned()), format!("attempt {attempts} failed: {reason}; retried in {wait}"));
    }

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
            self.trip(id, format!("{row} jobs in a row were blocked"));
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
        self.queue(Action::Note { text, job: Some(id.to_owned()), alert: true });
    }

    /// Keeps a reason that no outcome brought.
    pub(in crate::coordinator) fn note_reason(&mut self, id: &str, reason: &str) {
        let reason = text::clip(reason, MAX_REASON);
        let Some(job) = self.job_mut(id) else { return };
        match &mut job.last {
            Some(last) => last.reason = reason,
            None => {
                let run = job.run_id();
                job.last = Some(silent(run, reason, None));
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
        let mut text = format!("{}{why}", ending.as_str());
        if let Reply::Refused { why } = reply {
            text.push_str(&format!("; its step, item or claim was not updated: {why}"));
            // Its step may look open still.
            self.state.cooling.insert(task.clone(), now.plus(self.config.cool_down));
        }
        if ending == Ending::Done {
            // An operator's word that came too late must not wait for the task's namesake.
            self.state.skips.remove(&task);
            self.state.reassigned.remove(&task);
        }
        let totals = &mut self.state.totals;
        *match ending {
            Ending::Done => &mut totals.done,
            Ending::Blocked => &mut totals.blocked,
            Ending::Cancelled => &mut totals.cancelled,
            Ending::Dropped => &mut totals.dropped,
        } += 1;
        self.state.volatile.observe_again = true;
        self.say(Some(id.to_owned()), text.clone());
        if ending != Ending::Dropped {
            let text = format!("{name} is {text}");
            // What a person decided needs nobody's attention.
            let alert = ending == Ending::Blocked && !decided;
            self.queue(Action::Note { text, job: Some(id.to_owned()), alert });
        }
    }

    pub(in crate::coordinator) fn enter(&mut self, id: &str, phase: Phase) {
        if let Some(job) = self.job_mut(id) {
            job.phase = phase;
        }
    }

    /// Takes back actions of a job whose result is of no interest any more.
    pub(in crate::coordinator) fn forget(&mut self, id: &str, which: impl Fn(&Action) -> bool) {
        let StepContext { state, .. } = self;
        let volatile = &mut state.volatile;
        state.pending.retain(|pending| {
            let drop = pending.action.job() == Some(id) && which(&pending.action);
            if drop {
                volatile.flying.remove(&pending.id);
            }
            !drop
        });
    }

    /// Tells workers to end that are not wanted any more, each once.
    pub(in crate::coordinator) fn stop_workers(&mut self) {
        let ending = self.state.volatile.termination;
        let mut tell = Vec::new();
        for job in &self.state.jobs {
            let Phase::Running { .. } = job.phase else { continue };
            let wished = job.wish.as_ref().map(|wish| if wish.now { How::Now } else { How::Stage });
            let frozen = self.state.volatile.frozen.contains(&job.run_id()).then_some(How::Now);
            let Some(how) = wished.max(frozen).max(ending) else { continue };
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
    }

    /// Backlog items that say "in progress" while nobody has them are opened again.
    pub(in crate::coordinator) fn recover(&mut self, orphans: &[String]) {
        for task in orphans {
            let ours = self.state.live_jobs().any(|job| job.task == *task);
            let under_way = self.state.pending.iter().any(|p| p.action == Action::Reset { task: task.clone() });
            if !ours && !under_way && !self.state.cooling.contains_key(task) {
                self.queue(Action::Reset { task: task.clone() });
            }
        }
    }

    pub(in crate::coordinator) fn was_reset(&mut self, task: String, reply: Reply) {
        if let Reply::Refused { why } = reply {
            self.say(None, format!("{task} is in progress without a live claim and was not reopened: {why}"));
            self.state.cooling.insert(task, self.now.plus(self.config.cool_down));
            return;
        }
        self.say(None, format!("{task} was in progress without a live claim; it was reopened"));
        self.state.volatile.observe_again = true;
    }
}

/// What is known of a run that left no outcome; what an earlier one left stays known.
fn silent(run: String, reason: String, before: Option<&Last>) -> Last {
    let passes = before.map_or(0, |last| last.passes);
    let session = before.and_then(|last| last.session.clone());
    Last {
        run,
        verdict: None,
        reason,
        commit: None,
        envelope: None,
        bundle: None,
        passes,
        session,
        output: None,
        question: None,
    }
}
