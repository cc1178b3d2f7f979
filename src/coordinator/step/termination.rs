//! Ends jobs early: decided, cancelled or given up.

use super::context::{StepContext, closed};
use super::review::with_note;
use crate::base::text;
use crate::coordinator::state::input::{Action, ReviewWord};
use crate::coordinator::state::{Ending, Phase, Wish};

/// How often a delivery may fail before it is left to a person.
const DELIVERIES: u32 = 5;
/// How often a job's next action may fail unexpectedly; it uses a slot meanwhile.
const ATTEMPTS: u32 = 8;

impl StepContext<'_> {
    /// Carries out a decision that does not need the job's run: merged or rejected. False when there is none.
    pub(in crate::coordinator) fn ends_as_decided(&mut self, id: &str) -> bool {
        let decided = self.decided(id).is_some_and(|word| !matches!(word, ReviewWord::Rework { .. }));
        if decided {
            let text = self.decide(id);
            self.say(Some(id.to_owned()), text);
        }
        decided
    }

    /// Ends a job cancelled by an operator. Work on the target branch counts as done anyway.
    pub(in crate::coordinator) fn end_as_wished(&mut self, id: &str) {
        if matches!(self.decided(id), Some(ReviewWord::Merged { .. })) {
            self.ends_as_decided(id);
            return;
        }
        let wish = self.state.job(id).and_then(|job| job.wish.clone());
        if let Some(Wish { word, to: None, .. }) = wish {
            // Not what its last run said: finished work is not ready to be merged any more.
            self.note_reason(id, &format!("cancelled {}", with_note(&word)));
        }
        self.finalize(id, Ending::Cancelled);
    }

    /// A worker paused before its work was done. Without a request and a known obstacle it would only pause again, so
    /// it is retried later, a limited number of times.
    pub(in crate::coordinator) fn paused(&mut self, id: &str, run: &str, reason: &str) {
        self.say(Some(id.to_owned()), format!("paused: {reason}"));
        let (max, later) = (self.config.max_interruptions, self.now.plus(self.config.poll_min));
        let was_notified = self.state.volatile.notified_workers.contains_key(run);
        let Some(job) = self.state.job(id) else { return };
        if self.state.volatile.over_budget {
            self.enter(id, Phase::Held);
            self.note_reason(
                id,
                "stopped in the middle of a call, because the day's budget is used up; its work is kept",
            );
        } else if let Some(other) = job.yields_to.clone() {
            self.enter(id, Phase::Held);
            self.note_reason(id, &format!("paused for {other}, which is more urgent; continues when a slot is free"));
        } else if was_notified || closed(self.state, &job.task).is_some() {
            self.enter(id, Phase::Held);
        } else if job.interruptions >= max {
            self.block(id, &format!("its worker paused {}; the last: {reason}", text::counted(max, "time")));
        } else if let Some(job) = self.job_mut(id) {
            job.interruptions += 1;
            job.phase = Phase::Waiting { until: later };
        }
    }

    fn decided(&self, id: &str) -> Option<&ReviewWord> {
        self.state.job(id)?.decision.as_ref().map(|decision| &decision.word)
    }

    /// Whether to give up an action after this many failures. `broken`: waiting does not fix it.
    pub(in crate::coordinator) fn is_hopeless(action: &Action, failures: u32, broken: bool) -> bool {
        match action {
            Action::Approve { .. } | Action::Deliver { .. } => failures >= DELIVERIES,
            Action::Assign { .. } | Action::Order { .. } | Action::Spawn { .. } => broken && failures >= ATTEMPTS,
            _ => false,
        }
    }

    /// Gives up an action that failed too often.
    pub(in crate::coordinator) fn give_up(&mut self, id: &str, action: &Action, why: &str) {
        match action {
            Action::Approve { .. } => return self.leave_to_person(id, ", because the policy could not be applied"),
            Action::Deliver { .. } => return self.not_delivered(id, why),
            _ => {}
        }
        let Some(job) = self.state.job(id) else { return };
        let what = match action {
            Action::Assign { .. } => "it could not be assigned",
            Action::Order { .. } => "its order could not be written",
            _ => "its worker could not be started",
        };
        let why = format!("{what}, {ATTEMPTS} times: {}", text::clip(why, 200));
        if job.wish.is_some() {
            self.end_as_wished(id);
        } else if job.epoch.is_some() {
            self.block(id, &why);
        } else {
            // Without a claim, nothing in the record can show that it is blocked.
            let (task, until) = (job.task.clone(), self.now.plus(self.config.cool_down));
            let text = format!("{task} is not retried before {until}: {why}");
            self.queue(Action::Note { text, job: Some(id.to_owned()), alert: true });
            self.drop_unassigned(id, &why);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::Phase;
    use crate::base::Stamp;
    use crate::coordinator::Action;
    use crate::coordinator::state::input::{
        Command, Effect, How, Input, Offer, Reply, ReviewWord, RunState, Seat, Snapshot,
    };
    use crate::coordinator::state::{State, Totals, Word, Work};
    use crate::coordinator::{Config, next_wake, step};
    use crate::model::run::outcome::{Finding, Verdict};

    /// A coordinator with one task to do, and its time.
    struct Play {
        state: State,
        now: Stamp,
    }

    impl Play {
        fn new() -> Play {
            let mut play = Play { state: State::new(), now: Stamp::from_unix(1_000_000) };
            play.feed(Input::Started(Config::default()));
            let offer = Offer { task: "A".into(), source: "backlog".into(), ..Offer::default() };
            let seats = vec![Seat { id: "codex-1".into(), daily_limit: None, interactive: false }];
            play.feed(Input::Snapshot(Snapshot { offers: vec![offer], seats, ..Snapshot::default() }));
            play
        }

        fn feed(&mut self, input: Input) -> Vec<Effect> {
            step(&mut self.state, input, self.now)
        }

        /// Answers the job's next action.
        fn answer(&mut self, reply: Reply) {
            while self.flying().is_none() {
                self.now = next_wake(&self.state).unwrap().max(self.now.plus(Duration::from_secs(1)));
                self.feed(Input::Tick);
            }
            let id = self.flying().unwrap();
            self.feed(Input::Reply { id, reply });
        }

        /// Its worker runs, and has written its bundle.
        fn running() -> Play {
            let mut play = Play::new();
            play.answer(Reply::Assigned { epoch: 1 });
            let work = Work { staged: true, ..Work::default() };
            play.answer(Reply::Ordered { path: "o".into(), work });
            play.answer(Reply::Done);
            play
        }

        /// Its result may be merged by policy, and that is what comes next.
        fn under_policy() -> Play {
            let mut play = Play::running();
            let config = Config { auto_merge: vec!["medium".to_owned()], ..Config::default() };
            play.feed(Input::Settings(config));
            play.run_is(play.outcome(Verdict::Succeeded));
            play.answer(Reply::Done);
            assert!(play.approves());
            play
        }

        fn approves(&self) -> bool {
            self.state.pending.iter().any(|pending| matches!(pending.action, Action::Approve { .. }))
        }

        fn say(&mut self, command: Command) {
            let word = Word { by: "ada".into(), recognised: Default::default(), at: self.now, note: None };
            let id = format!("c{}", self.state.handled.len());
            let effects = self.feed(Input::Command { id, word, command });
            assert!(effects.iter().any(|effect| matches!(effect, Effect::Answer { ok: true, .. })), "{effects:?}");
        }

        fn decide(&mut self, word: ReviewWord) {
            let job = &self.state.jobs[0];
            let (job, run) = (job.id.clone(), job.run_id());
            self.say(Command::Reviewed { job, run, word });
        }

        fn run_is(&mut self, is: RunState) {
            let run = self.state.jobs[0].run_id();
            self.feed(Input::Run { run, is });
        }

        fn outcome(&self, verdict: Verdict) -> RunState {
            let job = &self.state.jobs[0];
            RunState::Ended(Box::new(job.example_outcome(verdict, self.now)))
        }

        /// The job's next action; what only reports or extends its claim is none.
        fn flying(&self) -> Option<u64> {
            let is_step = |action: &Action| !matches!(action, Action::Note { .. } | Action::Keep { .. });
            let mine = self.state.pending.iter().filter(|one| one.action.job().is_some() && is_step(&one.action));
            mine.map(|pending| pending.id).find(|id| self.state.volatile.flying.contains(id))
        }

        fn phase(&self) -> &'static str {
            match self.state.jobs[0].phase {
                Phase::Assigning => "giving",
                Phase::Ordering => "ordering",
                Phase::Finalizing { ending } => ending.as_str(),
                Phase::Waiting { .. } => "waiting",
                _ => "other",
            }
        }

        fn alerts(&self) -> Vec<&str> {
            let alerts = self.state.pending.iter().filter_map(|pending| match &pending.action {
                Action::Note { text, alert: true, .. } => Some(text.as_str()),
                _ => None,
            });
            alerts.collect()
        }
    }

    fn broken() -> Reply {
        Reply::Broken { why: "an odd thing".into() }
    }

    #[test]
    fn merged_work_is_done_despite_cancellation_or_a_failed_run() {
        let merged = || ReviewWord::Merged { commit: "abc".into() };
        let cancel = || Command::Cancel { target: "A".into(), now: false };
        for verdict in [Some(Verdict::Succeeded), Some(Verdict::Failed), Some(Verdict::Paused), None] {
            for wish in ["none", "before", "after"] {
                let mut play = Play::running();
                if wish == "before" {
                    play.say(cancel());
                }
                play.decide(merged());
                if wish == "after" {
                    play.say(cancel());
                }
                play.run_is(verdict.map_or(RunState::Gone, |verdict| play.outcome(verdict)));
                assert_eq!(play.phase(), "done", "{verdict:?}, wish {wish}");
            }
        }
    }

    #[test]
    fn work_that_is_merged_after_its_job_ended_otherwise_is_done_and_no_longer_skipped() {
        for is_over in [false, true] {
            let mut play = Play::running();
            play.run_is(play.outcome(Verdict::Succeeded));
            play.answer(Reply::Done);
            play.say(Command::Cancel { target: "A".into(), now: false });
            assert_eq!((play.phase(), play.state.skips.len()), ("cancelled", 1));
            if is_over {
                play.answer(Reply::Done);
                let submit =
                    Command::Submit { task: "A".into(), plan: None, step: None, priority: None, is_new: false };
                play.say(submit);
            }
            play.decide(ReviewWord::Merged { commit: "abc".into() });
            assert_eq!(play.phase(), "done", "over: {is_over}");
            play.answer(Reply::Done);
            let state = &play.state;
            let Totals { done, cancelled, .. } = state.totals;
            assert_eq!((done, cancelled), (1, u64::from(is_over)), "an end that was not written yet does not count");
            assert!(state.skips.is_empty() && state.submissions.is_empty(), "over: {is_over}");
            assert!(state.jobs[0].last.as_ref().unwrap().reason.starts_with("merged as abc by ada"));
        }
    }

    #[test]
    fn merged_work_whose_step_could_not_be_set_is_not_chosen_again_at_once() {
        let mut play = Play::running();
        play.run_is(play.outcome(Verdict::Succeeded));
        play.answer(Reply::Done);
        play.decide(ReviewWord::Merged { commit: "abc".into() });
        play.answer(Reply::Refused { why: "its plan is missing".into() });
        assert_eq!(play.state.totals.done, 1);
        assert!(play.state.cooling["A"] > play.now, "its step still looks open");
    }

    #[test]
    fn a_paused_job_stops_after_its_stage_and_goes_on_when_it_is_resumed() {
        let mut play = Play::running();
        play.say(Command::PauseJob { target: "A".into() });
        let run = play.state.jobs[0].run_id();
        assert_eq!(play.state.volatile.notified_workers.get(&run), Some(&How::Stage));
        play.run_is(play.outcome(Verdict::Paused));
        play.now = play.now.plus(Duration::from_secs(3600));
        play.feed(Input::Tick);
        assert_eq!((&play.state.jobs[0].phase, play.flying()), (&Phase::Held, None), "it waits, however long");
        play.say(Command::Resume { task: Some("A".into()) });
        assert_eq!(play.phase(), "giving");
    }

    #[test]
    fn the_claim_of_a_paused_job_is_extended_too() {
        let mut play = Play::running();
        play.say(Command::PauseJob { target: "A".into() });
        play.run_is(play.outcome(Verdict::Paused));
        let keeps = |play: &Play| play.state.pending.iter().any(|one| matches!(one.action, Action::Keep { .. }));
        play.feed(Input::Tick);
        assert!(keeps(&play), "its worker no longer does");

        let mut play = Play::running();
        play.run_is(play.outcome(Verdict::Failed));
        assert!(matches!(play.state.jobs[0].phase, Phase::Waiting { .. }) && !keeps(&play));
        play.say(Command::PauseJob { target: "A".into() });
        play.feed(Input::Tick);
        assert!(keeps(&play), "it was paused before it was tried again");
    }

    #[test]
    fn a_policy_waits_for_another_approval_and_delays_no_stop() {
        let mut play = Play::under_policy();
        for _ in 0..10 {
            play.answer(Reply::NotNow { why: "another approval runs".into() });
        }
        assert!(play.approves(), "it waits as long as that takes");
        assert!(play.flying().is_none());
        while play.flying().is_none() {
            play.now = next_wake(&play.state).unwrap().max(play.now.plus(Duration::from_secs(1)));
            play.feed(Input::Tick);
        }
        let mut effects = play.feed(Input::Terminate(How::Stage));
        let rest = |one: &&crate::coordinator::state::Pending| !matches!(one.action, Action::Approve { .. });
        while let Some(id) = play.state.pending.iter().find(rest).map(|one| one.id) {
            effects.extend(play.feed(Input::Reply { id, reply: Reply::Done }));
        }
        assert!(effects.iter().any(|effect| matches!(effect, Effect::Exit(_))), "a merge has a process of its own");
    }

    #[test]
    fn a_policy_that_cannot_be_applied_leaves_the_result_to_a_person() {
        let mut play = Play::under_policy();
        for _ in 0..5 {
            assert!(play.approves());
            play.answer(broken());
        }
        let told = |one: &crate::coordinator::state::Pending| match &one.action {
            Action::Note { text, .. } => text.contains("the policy could not be applied"),
            _ => false,
        };
        assert!(!play.approves() && play.state.pending.iter().any(told));
    }

    #[test]
    fn the_claim_of_a_job_under_review_does_not_expire() {
        let mut play = Play::running();
        play.run_is(play.outcome(Verdict::Succeeded));
        play.answer(Reply::Done);
        let lease = Config::default().review_lease;
        let mut until = play.now.plus(lease);
        for _ in 0..400 {
            play.now = play.now.plus(Duration::from_secs(12 * 3600));
            play.feed(Input::Tick);
            while let Some(pending) = play.state.pending.iter().find(|p| play.state.volatile.flying.contains(&p.id)) {
                if let Action::Keep { until: longer, .. } = &pending.action {
                    until = *longer;
                }
                let id = pending.id;
                play.feed(Input::Reply { id, reply: Reply::Done });
            }
            assert!(until > play.now, "the claim ran out");
        }
    }

    #[test]
    fn a_decision_counts_when_the_worker_died_after_writing_its_bundle() {
        let mut play = Play::running();
        play.decide(ReviewWord::Rejected);
        play.run_is(RunState::Gone);
        assert_eq!(play.phase(), "blocked");
        assert!(play.state.jobs[0].last.as_ref().unwrap().reason.contains("rejected by ada"));

        let mut play = Play::running();
        play.run_is(RunState::Gone);
        assert_eq!(play.phase(), "waiting");
        play.decide(ReviewWord::Merged { commit: "abc".into() });
        assert_eq!(play.phase(), "done", "it is not done again");

        let mut play = Play::running();
        play.decide(ReviewWord::Rework { findings: Vec::new(), fresh: true });
        play.run_is(RunState::Gone);
        play.answer(Reply::Assigned { epoch: 1 });
        play.answer(Reply::Done);
        play.run_is(play.outcome(Verdict::Succeeded));
        let job = &play.state.jobs[0];
        assert_eq!((play.phase(), job.run, job.rework.is_some()), ("giving", 2, true), "it is sent back");
    }

    #[test]
    fn a_result_that_was_sent_back_can_be_merged_while_a_failed_attempt_waits() {
        let mut play = Play::running();
        play.run_is(play.outcome(Verdict::Succeeded));
        play.answer(Reply::Done);
        let (job, run) = (play.state.jobs[0].id.clone(), play.state.jobs[0].run_id());
        let back = ReviewWord::Rework { findings: vec![Finding::medium("review.note", "", "again")], fresh: true };
        play.decide(back.clone());
        play.answer(Reply::Assigned { epoch: 1 });
        play.answer(Reply::Ordered { path: "o".into(), work: Work { staged: true, ..Work::default() } });
        play.answer(Reply::Done);
        // The decision's file may be found before its command comes.
        play.say(Command::Reviewed { job: job.clone(), run: run.clone(), word: back });
        play.run_is(play.outcome(Verdict::Failed));
        assert_eq!((play.phase(), play.state.jobs[0].run), ("waiting", 3));
        play.say(Command::Reviewed { job, run, word: ReviewWord::Merged { commit: "abc".into() } });
        assert_eq!(play.phase(), "done");
    }

    #[test]
    fn a_job_whose_worker_keeps_pausing_is_retried_and_then_blocked() {
        let mut play = Play::running();
        for _ in 0..10 {
            let before = play.now;
            play.run_is(play.outcome(Verdict::Paused));
            assert_eq!(play.phase(), "waiting");
            play.answer(Reply::Assigned { epoch: 1 });
            assert!(play.now > before, "it is not tried again at once");
            play.answer(Reply::Done);
        }
        play.run_is(play.outcome(Verdict::Paused));
        assert_eq!(play.phase(), "blocked");
    }

    #[test]
    fn an_order_that_cannot_be_written_blocks_its_job() {
        let mut play = Play::new();
        play.answer(Reply::Assigned { epoch: 1 });
        for _ in 0..7 {
            play.answer(broken());
            assert_eq!(play.phase(), "ordering");
        }
        play.answer(broken());
        assert_eq!(play.phase(), "blocked");
        play.answer(Reply::Done);
        assert!(play.alerts()[0].contains("an odd thing"), "{:?}", play.alerts());
    }

    #[test]
    fn a_task_that_cannot_be_assigned_is_skipped_for_a_while() {
        let mut play = Play::new();
        (0..8).for_each(|_| play.answer(broken()));
        assert_eq!(play.phase(), "dropped");
        assert!(play.state.cooling.contains_key("A") && play.alerts()[0].contains("an odd thing"));
        assert_eq!(play.state.breaker.failures_in_a_row, 0);
    }

    #[test]
    fn machine_failures_are_retried_until_they_pass() {
        let mut play = Play::new();
        for _ in 0..50 {
            play.answer(Reply::Failed { why: "the disk is full".into() });
            assert_eq!(play.phase(), "giving");
        }
    }
}
