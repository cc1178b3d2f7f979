//! The ways off a job's way that are not its own: what is given up.

use super::input::Action;
use super::state::Ending;
use super::step::Turn;
use crate::base::text;

/// How often a delivery may fail before it is left to a person.
const DELIVERIES: u32 = 5;
/// How often a job's next thing may go wrong in a way that nobody foresaw; it takes a slot meanwhile.
const ATTEMPTS: u32 = 8;

impl Turn<'_> {
    /// Whether an action that failed so often is given up. `broken`: in a way that time does not mend.
    pub(super) fn is_hopeless(action: &Action, failures: u32, broken: bool) -> bool {
        match action {
            Action::Deliver { .. } => failures >= DELIVERIES,
            Action::Give { .. } | Action::Order { .. } | Action::Spawn { .. } => broken && failures >= ATTEMPTS,
            _ => false,
        }
    }

    /// What failed so often is not tried again.
    pub(super) fn give_up(&mut self, id: &str, action: &Action, why: &str) {
        if matches!(action, Action::Deliver { .. }) {
            return self.not_delivered(id, why);
        }
        let Some(job) = self.state.job(id) else { return };
        let what = match action {
            Action::Give { .. } => "it could not be given",
            Action::Order { .. } => "its order could not be written",
            _ => "its worker could not be started",
        };
        let why = format!("{what}, {ATTEMPTS} times: {}", text::clip(why, 200));
        if job.wish.is_some() {
            self.settle(id, Ending::Cancelled);
        } else if job.epoch.is_some() {
            self.block(id, &why);
        } else {
            // It has no claim, so nothing in the record can say that it is blocked.
            let (task, until) = (job.task.clone(), self.now.plus(self.rules.cool_down));
            let text = format!("{task} is left alone until {until}: {why}");
            self.act(Action::Note { text, job: Some(id.to_owned()), alert: true });
            self.state.cooling.insert(task, until);
            self.note_reason(id, &why);
            self.settle(id, Ending::Dropped);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::input::{Effect, Input, Offer, Reply, Seat, View};
    use super::super::state::{Phase, State};
    use super::super::{Rules, next_wake, step};
    use crate::base::Stamp;
    use crate::coordinator::Action;

    /// A coordinator with one task to do, and its time.
    struct Play {
        state: State,
        now: Stamp,
    }

    impl Play {
        fn new() -> Play {
            let mut play = Play { state: State::new(), now: Stamp::from_unix(1_000_000) };
            play.feed(Input::Started(Rules::default()));
            let offer = Offer {
                task: "A".into(),
                plan: None,
                step: None,
                title: "A".into(),
                source: "backlog".into(),
                origin: None,
                seat: None,
                agents: Vec::new(),
                why: String::new(),
            };
            let seats = vec![Seat { id: "codex-1".into(), daily_limit: None }];
            play.feed(Input::View(View { offers: vec![offer], seats, ..View::default() }));
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

        fn flying(&self) -> Option<u64> {
            let mine = self
                .state
                .pending
                .iter()
                .filter(|pending| pending.action.job().is_some() && !matches!(pending.action, Action::Note { .. }));
            mine.map(|pending| pending.id).find(|id| self.state.life.flying.contains(id))
        }

        fn phase(&self) -> &'static str {
            match self.state.jobs[0].phase {
                Phase::Giving => "giving",
                Phase::Ordering => "ordering",
                Phase::Settling { ending } => ending.as_str(),
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
    fn an_order_that_cannot_be_written_is_given_up_and_blocks_its_job() {
        let mut play = Play::new();
        play.answer(Reply::Given { epoch: 1 });
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
    fn a_task_that_cannot_be_given_is_left_alone_for_a_while() {
        let mut play = Play::new();
        (0..8).for_each(|_| play.answer(broken()));
        assert_eq!(play.phase(), "dropped");
        assert!(play.state.cooling.contains_key("A") && play.alerts()[0].contains("an odd thing"));
        assert_eq!(play.state.breaker.failures_in_a_row, 0);
    }

    #[test]
    fn what_waits_for_the_machine_is_tried_again_however_long_it_takes() {
        let mut play = Play::new();
        for _ in 0..50 {
            play.answer(Reply::Failed { why: "the disk is full".into() });
            assert_eq!(play.phase(), "giving");
        }
    }
}
