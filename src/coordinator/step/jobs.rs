//! A job's way: chosen, assigned, ordered, spawned. [`runs`](super::runs) says what its run came to,
//! [`finalize`](super::finalize) ends it.

use super::context::{StepContext, closed, has_room};
use crate::coordinator::state::input::{Action, Reply};
use crate::coordinator::state::{Ending, Job, Last, Phase};
use crate::review::Decision as ReviewDecision;

/// How often the rest of a task whose assignment is refused is doubled: from 5 minutes to 5 hours.
const MOST_DOUBLINGS: u32 = 6;

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
                self.has_its_claim(id);
                self.go_on(id);
            }
            Reply::NotNow { why } => self.hold_back(id, why),
            Reply::Refused { why } => {
                self.say(Some(id.to_owned()), format!("not assigned: {why}"));
                self.drop_unassigned(id, &why);
            }
            Reply::Done
            | Reply::Unchanged
            | Reply::Ordered { .. }
            | Reply::Delivered { .. }
            | Reply::Failed { .. }
            | Reply::Broken { .. } => {}
        }
    }

    /// What an operator said of work that was to be assigned is done.
    fn has_its_claim(&mut self, id: &str) {
        let Some(job) = self.state.jobs.iter_mut().find(|job| job.id == id) else { return };
        if let Some(submission) = std::mem::take(&mut job.submissions).first() {
            self.state.totals.queue_wait.add(self.now.since(submission.word.at));
        }
        self.state.reassigned.retain(|task, seat| *task != job.task || *seat != job.seat);
    }

    /// Ends a job that cannot have its task's claim now. It never started, so it uses up nothing; each time in a row its
    /// task rests twice as long.
    pub(in crate::coordinator) fn drop_unassigned(&mut self, id: &str, why: &str) {
        let Some(job) = self.state.job(id) else { return };
        let (task, is_new) = (job.task.clone(), job.epoch.is_none());
        let refusals = 1 + if is_new { self.forget_refused(id, &task) } else { 0 };
        let rest = self.config.cool_down * 2_u32.pow((refusals - 1).min(MOST_DOUBLINGS));
        self.state.cooling.insert(task, self.now.plus(rest));
        if let Some(job) = self.state.jobs.iter_mut().find(|job| job.id == id) {
            job.refusals = refusals;
        }
        self.note_reason(id, why);
        if is_new {
            self.state.take_back(id);
        }
        self.finalize(id, Ending::Dropped);
    }

    /// Drops the job before this one if the assignment of the same task was refused, too, and returns how often that was
    /// in a row. One is enough to tell people: others would push real work out of what is remembered.
    fn forget_refused(&mut self, id: &str, task: &str) -> u32 {
        let earlier = self.state.jobs.iter().rev().find(|job| job.task == task && job.id != id);
        let Some(earlier) = earlier.filter(|job| job.is_over() && job.was_refused()) else { return 0 };
        let (earlier, refusals) = (earlier.id.clone(), earlier.refusals);
        self.state.jobs.retain(|job| job.id != earlier);
        refusals
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::input::{Command, Input, LeftAs, Offer, Seat, Snapshot};
    use crate::coordinator::state::{State, Word};
    use crate::coordinator::{Config, step};

    /// A coordinator that may start one job: by its command, by the consent and by its seat's limit.
    struct Play {
        state: State,
        now: Stamp,
    }

    impl Play {
        fn new(submitted: &[&str]) -> Play {
            let mut play = Play { state: State::new(), now: Stamp::from_unix(1_000_000) };
            play.feed(Input::Started(Config { slots: 2, max_jobs: Some(1), ..Config::default() }));
            for task in submitted {
                play.now = play.now.plus(std::time::Duration::from_secs(60));
                let submit =
                    Command::Submit { task: (*task).into(), plan: None, step: None, priority: None, is_new: false };
                play.say(submit);
            }
            play
        }

        fn feed(&mut self, input: Input) {
            step(&mut self.state, input, self.now);
        }

        fn say(&mut self, command: Command) {
            let word = Word { by: "ada".into(), recognised: Default::default(), at: self.now, note: None };
            let id = format!("c{}", self.state.handled.len());
            self.feed(Input::Command { id, word, command });
        }

        /// Shows the coordinator its queue again.
        fn observe(&mut self) {
            let offer =
                |task: &String| Offer { task: task.clone(), source: Offer::SUBMISSION.into(), ..Offer::default() };
            let offers = self.queue().iter().map(offer).collect();
            let seats = vec![Seat { id: "codex-1".into(), daily_limit: Some(1), interactive: false }];
            let grant = Some((Stamp::from_unix(1), Some(1)));
            let seq = self.state.volatile.results;
            self.feed(Input::Snapshot(Snapshot { seq, offers, seats, grant, ..Snapshot::default() }));
        }

        /// Answers the newest job's action.
        fn answer(&mut self, reply: Reply) {
            let job = self.state.jobs.last().expect("a job").id.clone();
            let mine = |action: &Action| action.job() == Some(&job) && !matches!(action, Action::Note { .. });
            let id = self.state.pending.iter().find(|one| mine(&one.action)).expect("an action").id;
            self.feed(Input::Reply { id, reply });
        }

        fn refuse(&mut self) {
            self.answer(Reply::Refused { why: "its step is done".into() });
            self.answer(Reply::Done);
        }

        fn queue(&self) -> Vec<String> {
            self.state.submissions.iter().map(|one| one.task.clone()).collect()
        }
    }

    #[test]
    fn a_refused_assignment_uses_up_no_job_and_keeps_its_place_in_the_queue() {
        let mut play = Play::new(&["A", "B", "C"]);
        play.observe();
        assert_eq!(play.queue(), ["B", "C"]);
        play.refuse();
        assert_eq!((play.queue(), play.state.chosen_since_grant()), (vec!["A".into(), "B".into(), "C".into()], 0));
        play.observe();
        let job = play.state.jobs.last().unwrap();
        assert_eq!((&*job.task, &*job.seat, play.state.chosen_since_grant()), ("B", "codex-1", 1));
        // What is assigned counts, and has left the queue.
        play.answer(Reply::Assigned { epoch: 1 });
        play.observe();
        let totals = &play.state.totals;
        assert_eq!((play.queue(), totals.chosen, totals.queue_wait.count), (vec!["A".into(), "C".into()], 2, 1));
        assert!(play.state.volatile.has_left(LeftAs::NextRun));
    }

    #[test]
    fn an_assignment_that_is_refused_again_and_again_is_tried_less_often_and_remembered_once() {
        let mut play = Play::new(&["A"]);
        let rests: Vec<_> = (0..9)
            .map(|_| {
                play.observe();
                play.refuse();
                let until = play.state.cooling["A"];
                let rest = until.since(play.now).as_secs() / 60;
                play.now = until.plus(std::time::Duration::from_secs(1));
                play.feed(Input::Tick);
                rest
            })
            .collect();
        assert_eq!(rests, [5, 10, 20, 40, 80, 160, 320, 320, 320]);
        assert_eq!((play.state.jobs.len(), play.queue()), (1, vec!["A".to_owned()]));
        play.observe();
        play.answer(Reply::Assigned { epoch: 1 });
        assert_eq!(play.state.jobs.len(), 2, "one that started does not forget the last refusal");
    }

    #[test]
    fn a_refused_job_of_an_earlier_consent_adds_nothing_to_a_later_one() {
        let mut play = Play::new(&["A", "B"]);
        play.observe();
        let later = Snapshot { grant: Some((Stamp::from_unix(2), Some(1))), ..Snapshot::default() };
        play.feed(Input::Snapshot(later));
        play.refuse();
        let grant = play.state.grant.as_ref().unwrap();
        assert_eq!((grant.chosen_before, play.state.chosen_since_grant()), (1, 0));
    }

    #[test]
    fn cancelled_work_is_not_queued_again_when_its_assignment_is_refused() {
        let mut play = Play::new(&["A"]);
        play.observe();
        play.say(Command::Cancel { target: "A".into(), now: false });
        play.refuse();
        assert!(play.queue().is_empty());
    }
}
