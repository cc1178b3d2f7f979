//! Lets more urgent work pause a running job after its stage when no slot is free.
//!
//! The slot is promised to that work: until it starts or is no longer offered, no waiting job takes it. The paused job
//! keeps its claim and continues before new work starts. A job is paused a limited number of times, and only for work
//! of a strictly higher priority, so two jobs never pause each other in turns.

use std::collections::BTreeSet;

use crate::coordinator::state::input::{Action, Decision, LeftAs, Offer, Skipped};
use crate::coordinator::state::{Job, Phase};
use crate::coordinator::step::context::StepContext;

impl StepContext<'_> {
    /// The running job that makes room for an offer: the least urgent one, of several the newest. Commands have no
    /// boundary before their end. Submissions come before other work, so only submissions pause one.
    pub(super) fn preemptible(&self, offer: &Offer) -> Option<&Job> {
        let most = self.config.preemptions;
        let may_yield = |job: &&Job| {
            let is_running = matches!(job.phase, Phase::Running { .. });
            let is_later = offer.is_submission() || job.source != Offer::SUBMISSION;
            let is_asked = job.wish.is_some() || job.yields_to.is_some();
            let is_less_urgent = job.priority > offer.priority;
            is_running && is_later && is_less_urgent && job.work.staged && !is_asked && job.preemptions < most
        };
        self.state.jobs.iter().filter(may_yield).max_by_key(|job| job.priority)
    }

    /// Work that a slot is promised to comes first.
    pub(super) fn promised_first(&self, offers: &mut [Offer]) {
        offers.sort_by_key(|offer| !self.is_promised(&offer.task));
    }

    pub(super) fn is_promised(&self, task: &str) -> bool {
        self.state.live_jobs().any(|job| job.yields_to.as_deref() == Some(task))
    }

    /// Asks a less urgent job to make room, unless one does already. Returns why the offer waits; `None` when no job is
    /// less urgent.
    pub(super) fn make_room(&mut self, offer: &Offer) -> Option<Skipped> {
        let waits = |job: &Job| Skipped {
            task: offer.task.clone(),
            why: format!("waits until {} is paused after its stage", job.short()),
            tell: false,
            left: LeftAs::Uncounted,
        };
        if let Some(job) = self.state.live_jobs().find(|job| job.yields_to.as_ref() == Some(&offer.task)) {
            return Some(waits(job));
        }
        let id = self.preemptible(offer)?.id.clone();
        let job = self.job_mut(&id)?;
        job.yields_to = Some(offer.task.clone());
        job.preemptions += 1;
        let skipped = waits(job);
        let why = format!(
            "{} (priority {}) is paused after its stage for {} (priority {}); it continues when a slot is free",
            job.task, job.priority, offer.task, offer.priority
        );
        let task = Some(job.task.clone());
        self.say(Some(id.clone()), format!("makes room for {}", offer.task));
        self.queue(Action::Decide(Decision {
            decision: Decision::PREEMPTED.into(),
            job: Some(id),
            task,
            seat: None,
            why,
            recognised: None,
            skipped: vec![skipped.clone()],
            more: 0,
        }));
        Some(skipped)
    }

    /// Ends the promises to work that neither waits for its slot nor has a job.
    pub(super) fn drop_promises(&mut self, waiting: &BTreeSet<String>) {
        let started: BTreeSet<String> = self.state.live_jobs().map(|job| job.task.clone()).collect();
        for job in &mut self.state.jobs {
            if job.yields_to.as_ref().is_some_and(|task| !waiting.contains(task) && !started.contains(task)) {
                job.yields_to = None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::input::{Effect, How, Input, Reply, RunState, Seat, Snapshot};
    use crate::coordinator::state::{State, Word, Work};
    use crate::coordinator::{Command, Config, ReviewWord, step};
    use crate::model::priority::Priority;
    use crate::model::run::outcome::Verdict;

    /// A coordinator with one slot, and the work that is still open.
    struct Play {
        state: State,
        now: Stamp,
        open: Vec<(&'static str, &'static str)>,
        stopped: Vec<(String, How)>,
    }

    impl Play {
        fn new(preemptions: u32, open: &[(&'static str, &'static str)]) -> Play {
            let now = Stamp::from_unix(1_000_000);
            let mut play = Play { state: State::new(), now, open: open.to_vec(), stopped: Vec::new() };
            play.feed(Input::Started(Config { slots: 1, preemptions, ..Config::default() }));
            play
        }

        /// Feeds an input and answers what comes of it, until only workers are left to act.
        fn feed(&mut self, input: Input) {
            let mut effects = step(&mut self.state, input, self.now);
            while let Some(effect) = effects.pop() {
                let answer = match effect {
                    Effect::Observe { .. } => Input::Snapshot(self.snapshot()),
                    Effect::Do { id, action, .. } => Input::Reply { id, reply: reply(&action) },
                    Effect::StopWorker { task, how, .. } => {
                        self.stopped.push((task, how));
                        continue;
                    }
                    _ => continue,
                };
                effects.extend(step(&mut self.state, answer, self.now));
            }
        }

        fn snapshot(&self) -> Snapshot {
            let has_job = |task: &str| self.state.live_jobs().any(|job| job.task == task);
            let mut open: Vec<_> = self.open.iter().filter(|(task, _)| !has_job(task)).collect();
            open.sort_by_key(|(task, priority)| (!task.starts_with("SUBMITTED"), Priority::text(priority)));
            let offer = |(task, priority): &(&str, &str)| Offer {
                task: (*task).into(),
                source: if task.starts_with("SUBMITTED") { Offer::SUBMISSION } else { "backlog" }.into(),
                priority: Priority::text(priority),
                ..Offer::default()
            };
            let seats = vec![Seat { id: "codex-1".into(), daily_limit: None, interactive: false }];
            let (seq, offers) = (self.state.volatile.results, open.into_iter().map(offer).collect());
            Snapshot { seq, offers, seats, ..Snapshot::default() }
        }

        fn arrives(&mut self, task: &'static str, priority: &'static str) {
            self.open.push((task, priority));
            self.feed(Input::Woken);
        }

        /// The tasks whose workers run.
        fn running(&self) -> Vec<&str> {
            self.state.jobs.iter().filter(|job| job.takes_a_slot()).map(|job| job.task.as_str()).collect()
        }

        fn job(&self, task: &str) -> &Job {
            self.state.jobs.iter().rfind(|job| job.task == task).unwrap()
        }

        /// Its worker ends; finished work is merged at once.
        fn ends(&mut self, task: &'static str, verdict: Verdict) {
            let job = self.job(task);
            let outcome = job.example_outcome(verdict, self.now);
            let (job, run) = (job.id.clone(), outcome.run.clone());
            if verdict == Verdict::Succeeded {
                self.open.retain(|(open, _)| *open != task);
                let word = Word { by: "ada".into(), recognised: Default::default(), at: self.now, note: None };
                let said = ReviewWord::Merged { commit: "abc".into() };
                let command = Command::Reviewed { job, run: run.clone(), word: said };
                self.feed(Input::Command { id: format!("c{}", self.state.handled.len()), word, command });
            }
            self.feed(Input::Run { run, is: RunState::Ended(Box::new(outcome)) });
        }
    }

    fn reply(action: &Action) -> Reply {
        match action {
            Action::Assign { .. } => Reply::Assigned { epoch: 1 },
            Action::Order { .. } => Reply::Ordered { path: "o".into(), work: Work { staged: true, ..Work::default() } },
            _ => Reply::Done,
        }
    }

    #[test]
    fn more_urgent_work_pauses_a_running_job_which_continues_before_new_work() {
        let mut play = Play::new(2, &[("LOW", "low"), ("NEXT", "low")]);
        assert_eq!(play.running(), ["LOW"]);
        play.arrives("SAME", "low");
        assert!(play.stopped.is_empty(), "equal work waits");
        play.arrives("HIGH", "high");
        assert_eq!(play.stopped, [("LOW".to_owned(), How::Stage)]);
        assert_eq!(play.running(), ["LOW"], "until its stage has ended");
        let explained = play.state.jobs[0].yields_to.as_deref();
        assert_eq!(explained, Some("HIGH"));
        play.arrives("LATER", "medium");
        assert_eq!(play.stopped.len(), 1, "nothing else can make room");
        play.ends("LOW", Verdict::Paused);
        assert_eq!(play.running(), ["HIGH"], "and not LOW again, or LATER");
        assert!(play.job("LOW").last.as_ref().unwrap().reason.contains("paused for HIGH"));
        play.ends("HIGH", Verdict::Succeeded);
        assert_eq!(play.running(), ["LOW"], "it continues first");
        assert_eq!((play.job("LOW").run, play.job("LOW").failures, play.job("LOW").interruptions), (1, 0, 0));
        assert_eq!(play.job("LOW").yields_to.as_deref(), Some("LATER"), "which is still more urgent");
        play.ends("LOW", Verdict::Paused);
        play.ends("LATER", Verdict::Succeeded);
        play.arrives("URGENT", "urgent");
        assert_eq!(play.running(), ["LOW"]);
        assert_eq!(play.job("LOW").yields_to, None, "it was paused twice, so now it finishes");
        play.ends("LOW", Verdict::Succeeded);
        assert_eq!(play.running(), ["URGENT"]);
    }

    #[test]
    fn a_promise_ends_with_the_work_that_it_was_made_to_and_survives_a_restart() {
        let mut play = Play::new(2, &[("LOW", "low")]);
        play.arrives("HIGH", "high");
        // The coordinator starts again while the worker stops.
        play.state = State::from_bytes(&play.state.to_bytes()).unwrap();
        play.feed(Input::Started(Config { slots: 1, ..Config::default() }));
        play.open.retain(|(task, _)| *task != "HIGH");
        play.ends("LOW", Verdict::Paused);
        assert_eq!(play.running(), ["LOW"], "HIGH was withdrawn, so LOW continues");
        assert_eq!(play.job("LOW").interruptions, 0, "it was asked to stop");

        let mut submitted = Play::new(2, &[("SUBMITTED", "medium")]);
        submitted.arrives("HIGH", "high");
        assert!(submitted.stopped.is_empty(), "submissions come before other work");
        submitted.arrives("SUBMITTED-2", "high");
        assert_eq!(submitted.stopped, [("SUBMITTED".to_owned(), How::Stage)]);

        let mut off = Play::new(0, &[("LOW", "low")]);
        off.arrives("HIGH", "high");
        assert!(off.stopped.is_empty() && off.running() == ["LOW"], "it is switched off");
    }
}
