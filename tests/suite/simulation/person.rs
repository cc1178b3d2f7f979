//! What a person does about finished work, and what the histories hold of agents' limits.

use std::collections::BTreeMap;

use teof::coordinator::state::input::RunState;
use teof::coordinator::state::{Job, Phase};
use teof::coordinator::{Action, Command, Effect, Input, ReviewWord, State};
use teof::model::run::outcome::{Outcome, Verdict};

use super::History;

/// What the histories hold against a coordinator, from what it was told.
#[derive(Clone, Default)]
pub struct Told {
    /// Agent to when it may be called again, as far as the coordinator heard it.
    pub limits: BTreeMap<&'static str, i64>,
}

impl History {
    /// A person decides about one of the jobs whose bundle they see; the coordinator may be down, and the
    /// worker may not have said its last word.
    pub fn review(&mut self) {
        let has_bundle = |job: &&Job| {
            let staged = self.world.agent_of(&job.task).is_some();
            job.is_under_review() || (staged && !job.is_over() && self.world.commits.contains_key(&job.run_id()))
        };
        let jobs: Vec<_> = self.disk.jobs.iter().filter(has_bundle).cloned().collect();
        let Some(job) = self.dice.pick(&jobs).cloned() else { return };
        if !self.world.decided.insert(job.run_id()) {
            return;
        }
        match self.dice.roll(8) {
            0 => {
                self.world.task_mut(&job.task).disturbed = true;
                self.say_reviewed(&job, ReviewWord::Rejected);
            }
            1 | 2 => {
                // A conflict may use up the coder's passes.
                let fresh = self.dice.one_in(2);
                self.world.task_mut(&job.task).disturbed |= !fresh;
                self.say_reviewed(&job, ReviewWord::Rework { findings: Vec::new(), fresh });
            }
            3 => {
                self.log(format_args!("a person merges {} by hand", job.run_id()));
                self.world.target.insert(job.run_id());
            }
            _ => self.approve(&job),
        }
    }

    pub fn approve(&mut self, job: &Job) {
        self.world.target.insert(job.run_id());
        self.say_reviewed(job, ReviewWord::Merged { commit: job.run_id() });
    }

    /// The letter, perhaps twice.
    fn say_reviewed(&mut self, job: &Job, word: ReviewWord) {
        for _ in 0..1 + usize::from(self.dice.one_in(4)) {
            let (job, run, word) = (job.id.clone(), job.run_id(), word.clone());
            self.write_command(Command::Reviewed { job, run, word });
        }
    }

    /// Whatever is still under review is approved; false when there was nothing.
    pub fn approve_all(&mut self) -> bool {
        let jobs: Vec<_> = self.disk.jobs.iter().filter(|job| job.is_under_review()).cloned().collect();
        jobs.iter().for_each(|job| self.approve(job));
        !jobs.is_empty()
    }

    /// What an outcome that was taken in must have done, and may not have done.
    pub fn check_outcome(&self, before: &State, input: &Input) {
        let Some((job, outcome)) = accepted(before, input) else { return };
        let state = self.process.as_ref().unwrap();
        let Some(suspended) = &outcome.suspended else { return };
        let now = state.job(&job.id).unwrap();
        assert!(now.failures == job.failures && now.run == job.run, "a limit takes no retry");
        assert_eq!(state.breaker.failures_in_a_row, before.breaker.failures_in_a_row, "a limit is no failure");
        if !suspended.outage || job.wish.is_some() {
            return;
        }
        let waits = |state: &State| state.suspended.get(&suspended.agent).map(|s| s.until.unix() - self.world.now);
        match waits(before).filter(|left| *left > 0) {
            Some(left) => assert_eq!(waits(state), Some(left), "one outage is waited for once"),
            None => {
                let times = before.outages.get(&suspended.agent).copied().unwrap_or(0);
                let wanted = (30 << times.min(10)).min(15 * 60);
                assert_eq!(waits(state), Some(wanted), "each wait for a service is longer, to a bound");
            }
        }
    }

    /// Remembers what the coordinator heard.
    pub fn remember_limits(&mut self, before: &State, input: &Input) {
        if let Input::Command { command: Command::Resume { task: None }, .. } = input {
            let state = self.process.as_ref().unwrap();
            if state.suspended.is_empty() {
                self.told.limits.clear();
            }
        }
        let Some((job, outcome)) = accepted(before, input) else { return };
        let wanted = job.wish.is_none();
        if let (Some(suspended), true) = (&outcome.suspended, wanted) {
            let agent = self.world.agent_of(&job.task).expect("a limit is an agent's");
            let until = self.told.limits.entry(agent).or_default();
            let state = self.process.as_ref().unwrap();
            let known = state.suspended.get(agent).map_or(0, |suspension| suspension.until.unix());
            *until = (*until).max(if suspended.outage { known } else { suspended.until.unix() });
        }
    }

    /// Nothing begins for an agent before its time; nothing at all in a one-shot run.
    pub fn check_begun(&self, before: &State, effects: &[Effect]) {
        let state = self.process.as_ref().unwrap();
        let now = self.world.now;
        let asleep = |task: &str| {
            let until = self.world.agent_of(task).and_then(|agent| self.told.limits.get(agent));
            until.is_some_and(|until| *until > now)
        };
        for pending in &state.pending {
            let Action::Spawn { job, .. } = &pending.action else { continue };
            let is_new = before.pending.iter().all(|other| other.id != pending.id);
            let task = &state.job(job).unwrap().task;
            assert!(!(is_new && asleep(task)), "{task} starts while its agent is suspended");
        }
        for job in state.live_jobs().filter(|job| before.job(&job.id).is_none()) {
            assert!(!asleep(&job.task), "{} is chosen while its agent is suspended", job.task);
        }
        // A slot may be promised to more urgent work.
        let is_promised = |job: &Job| before.live_jobs().any(|other| other.yields_to.as_ref() == Some(&job.task));
        if state.live_jobs().any(|job| before.job(&job.id).is_none() && !is_promised(job)) {
            let seen = state.volatile.seen.as_ref().expect("nothing is chosen unseen");
            let ready = |job: &&Job| match job.phase {
                Phase::Held => true,
                Phase::Waiting { until } => until.unix() <= now,
                _ => false,
            };
            let awake = |job: &Job| state.asleep(&job.work.agents, self.world.stamp()).is_none();
            // A seat works on one job at a time, so its other ones wait for it.
            let works = |seat: &str| before.jobs.iter().any(|job| job.seat == seat && job.takes_a_slot());
            let may = |job: &&Job| !seen.holds.contains(&job.task) && awake(job) && !works(&job.seat);
            let waits = state.live_jobs().filter(ready).find(may);
            assert_eq!(waits.map(|job| &job.task), None, "started work goes on before anything new is chosen");
        }
        if self.one_shot {
            let begins =
                |effect: &&Effect| matches!(effect, Effect::Do { action, .. } if action.is_skipped_in_one_shot());
            assert_eq!(effects.iter().find(begins), None, "a one-shot run begins nothing");
            assert_eq!(state.totals.chosen, before.totals.chosen, "a one-shot run chooses nothing");
        }
    }

    /// What holds of work under review, and of what agents used, whenever one looks.
    pub fn check_review(&self) {
        for job in self.disk.jobs.iter().filter(|job| job.is_under_review()) {
            assert!(self.world.owns(job), "{} keeps its claim while it is under review", job.task);
        }
        let used: u64 = self.world.used.values().sum();
        assert!(self.disk.spent.total.tokens() <= used, "what a run used is counted once");
    }

    /// What a person decided is carried out, or known until it is.
    pub fn check_decisions(&self, before: &State) {
        let state = self.process.as_ref().unwrap();
        for job in before.live_jobs() {
            let (Some(now), Some(decision)) = (state.job(&job.id), &job.decision) else { continue };
            let rework = matches!(decision.word, ReviewWord::Rework { .. });
            let lapsed = rework && (now.run != job.run || matches!(now.phase, Phase::Finalizing { .. }));
            assert!(now.decision.as_ref() == Some(decision) || lapsed, "a decision about {} is lost", job.run_id());
        }
    }

    pub fn check_budget(&self, before: &State) {
        let state = self.process.as_ref().unwrap();
        let more = state.spent != before.spent && state.spent.today.tokens() > self.day_tokens;
        let over = self.day_tokens > 0 && more;
        assert!(!over || state.breaker.open.is_some(), "a day's budget that is used up opens the breaker");
    }
}

/// The job whose outcome the coordinator waits for, when the input brings it.
fn accepted<'a>(before: &'a State, input: &'a Input) -> Option<(&'a Job, &'a Outcome)> {
    let Input::Run { run, is: RunState::Ended(outcome) } = input else { return None };
    let job = before.live_jobs().find(|job| job.run_id() == *run)?;
    // A pause that was taken in before is found again while the next worker of the run starts.
    let is_news = match job.phase {
        Phase::Running { .. } => true,
        Phase::Spawning => outcome.verdict != Verdict::Paused,
        _ => false,
    };
    is_news.then_some((job, outcome))
}
