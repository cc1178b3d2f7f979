//! A job's way: chosen, assigned, ordered, spawned. [`runs`](super::runs) says what its run came to,
//! [`finalize`](super::finalize) ends it.

use super::context::{StepContext, closed, has_room};
use crate::coordinator::state::input::{Action, Reply};
use crate::coordinator::state::{Ending, Job, Last, Phase};
use crate::review::Decision as ReviewDecision;

impl StepContext<'_> {
    pub(in crate::coordinator) fn job_mut(&mut self, id: &str) -> Option<&mut Job> {
        self.state.jobs.iter_mut().find(|job| job.id == id)
    }

    /// Takes up a job that this state does not know, as one that is over, so that the decision about it closes its
    /// task.
    pub(in crate::coordinator) fn take_up(&mut self, decision: ReviewDecision, title: String) {
        if self.state.job(&decision.job).is_some() {
            return;
        }
        let run = decision.run.rsplit_once('.').and_then(|(_, run)| run.parse().ok()).unwrap_or(1);
        let last = Last {
            commit: Some(decision.reviewed_commit),
            bundle: Some(decision.bundle),
            ..Last::silent(decision.run, "the coordinator did not know it".to_owned(), None)
        };
        self.state.jobs.push(Job {
            plan: decision.plan_id,
            step: decision.step_id,
            title,
            source: "review".to_owned(),
            phase: Phase::Over { ending: Ending::Dropped, at: self.now },
            run,
            last: Some(last),
            pull_request: decision.pr,
            ..Job::new(decision.job, decision.task_id, decision.agent_id, self.now)
        });
    }

    /// Jobs that wait for time or permission go on when they have both, a slot, and their seat is free.
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
            } else if ready
                && job.paused.is_none()
                && closed(self.state, &job.task).is_none()
                && has_room(self.state, &self.config, &job.seat)
                && !self.waits_for_quota(&id)
            {
                self.begin(&id);
            }
        }
    }

    /// The first action of every attempt: the seat has the claim, with a new lease.
    pub(in crate::coordinator) fn begin(&mut self, id: &str) {
        if let Some(job) = self.job_mut(id) {
            (job.yields_to, job.kept) = (None, None);
        }
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
                let text = format!("started with seat {}", job.seat);
                self.state.volatile.alive.insert(run.to_owned());
                self.say(Some(id.to_owned()), text);
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

    /// The next action of an attempt, if it is still wanted and allowed.
    fn go_on(&mut self, id: &str) {
        if self.ends_as_decided(id) {
            return;
        }
        let Some(job) = self.state.job(id) else { return };
        if job.wish.is_some() {
            self.end_as_wished(id);
        } else if job.paused.is_some() || closed(self.state, &job.task).is_some() {
            self.enter(id, Phase::Held);
        } else if job.order.is_none() {
            self.enter(id, Phase::Ordering);
            self.queue(Action::Order { job: id.to_owned() });
        } else if let Some((_, suspension)) = self.state.asleep(&job.work.agents, self.now) {
            let until = suspension.until;
            self.enter(id, Phase::Waiting { until });
        } else {
            let run = job.run_id();
            if self.waits_for_quota(id) {
                return;
            }
            self.enter(id, Phase::Spawning);
            self.queue(Action::Spawn { job: id.to_owned(), run });
        }
    }

    /// Consent or a hold changed between observation and transaction: observe again and retry a little later.
    fn hold_back(&mut self, id: &str, why: String) {
        self.say(Some(id.to_owned()), format!("held: {why}"));
        self.enter(id, Phase::Waiting { until: self.now.plus(self.config.poll_min) });
        self.state.volatile.observe_again = true;
    }

    pub(in crate::coordinator) fn enter(&mut self, id: &str, phase: Phase) {
        if let Some(job) = self.job_mut(id) {
            job.phase = phase;
        }
    }

    /// Removes pending actions of a job whose result is no longer needed.
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

    /// Reopens backlog items in progress that nobody holds.
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
