//! Actions that failed because of a lock, a full disk or a hub on another branch: each is retried until it works, and
//! people are told of one that keeps failing.

use std::time::Duration;

use crate::base::text;
use crate::coordinator::state::Pending;
use crate::coordinator::state::input::Action;
use crate::coordinator::step::context::StepContext;
use crate::hub::settings::notify::Topic;

/// The longest stored reason of a failed action, in characters.
const MAX_WHY: usize = 300;
/// How long an urgent notification waits after each failed delivery; then as long as the last time.
const SEND_AGAIN: [Duration; 3] = [Duration::from_secs(60), Duration::from_secs(5 * 60), Duration::from_secs(15 * 60)];

impl StepContext<'_> {
    pub(in crate::coordinator::step) fn try_again_later(&mut self, at: usize, why: &str, broken: bool) {
        let pending = &mut self.state.pending[at];
        match &pending.action {
            Action::Commit => {
                self.state.pending.remove(at);
                return self.commit_later(why);
            }
            Action::Notify { notice, .. } => {
                let is_urgent = notice.event.is_urgent();
                return self.send_again(at, is_urgent, why);
            }
            _ => {}
        }
        let was_stuck = pending.is_stuck();
        pending.failures = pending.failures.saturating_add(1);
        let wait = Duration::from_secs(5 << pending.failures.min(6)).min(self.config.poll_max);
        pending.after = Some(self.now.plus(wait));
        pending.why = Some(text::clip(why, MAX_WHY));
        let (failures, is_stuck) = (pending.failures, pending.is_stuck() && !was_stuck);
        let job = pending.action.job().map(str::to_owned);
        if let (Some(job), true) = (&job, Self::is_hopeless(&pending.action, failures, broken)) {
            let action = self.state.pending.remove(at).action;
            self.give_up(job, &action, why);
        } else if failures == 1 {
            self.say(job, format!("will be retried: {why}"));
        } else if is_stuck {
            self.tell_stuck(at, why);
        }
    }

    /// An urgent notification is tried again until the executor finds it too old; nothing waits for it.
    fn send_again(&mut self, at: usize, is_urgent: bool, why: &str) {
        if !is_urgent {
            self.state.pending.remove(at);
            return;
        }
        let pending = &mut self.state.pending[at];
        let wait = SEND_AGAIN[(pending.failures as usize).min(SEND_AGAIN.len() - 1)];
        pending.failures = pending.failures.saturating_add(1);
        pending.after = Some(self.now.plus(wait));
        pending.why = Some(text::clip(why, MAX_WHY));
        // It is checked by the number of the last delivery, which may be a later one's.
        pending.issued = false;
    }

    /// Tells people what keeps an action from working; once, however many actions it is.
    fn tell_stuck(&mut self, at: usize, why: &str) {
        let why = text::clip(why, MAX_WHY);
        let same = self.state.failing().filter(|pending| pending.why.as_ref() == Some(&why)).count();
        // Nothing waits for one that is held back.
        if same > 1 || self.state.pending[at].is_held_back() {
            return;
        }
        let failures = text::counted(u64::from(self.state.pending[at].failures), "failure");
        let text = format!("cannot continue after {failures}, and retries: {why}");
        self.say(None, text.clone());
        self.notify(Topic::Problem, None, &text);
    }

    /// Says that the record could not be committed, and tells people once when it goes on.
    pub(in crate::coordinator::step) fn commit_failed(&mut self, why: &str) {
        let why = text::clip(why, MAX_WHY);
        let failing = self.state.commit_failing.get_or_insert_default();
        let was_stuck = failing.is_stuck();
        failing.failures = failing.failures.saturating_add(1);
        (failing.why, failing.at) = (why.clone(), Some(self.now));
        let (failures, is_stuck) = (failing.failures, failing.is_stuck());
        self.say(None, format!("cannot commit the record now: {why}"));
        // Of the same cause people were told already.
        let is_told = self.state.failing().any(|pending| pending.why.as_ref() == Some(&why));
        if is_stuck && !was_stuck && !is_told {
            let failures = text::counted(u64::from(failures), "failure");
            self.notify(
                Topic::Problem,
                None,
                &format!("cannot commit the record after {failures}, and retries: {why}"),
            );
        }
    }

    /// Says that the last action works that people were told of.
    pub(in crate::coordinator::step) fn tell_unstuck(&mut self, done: &Pending) {
        if done.is_stuck() && !done.is_held_back() && self.state.failing().next().is_none() {
            self.say(None, format!("continues; this is fixed: {}", done.why.as_deref().unwrap_or_default()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::State;
    use crate::coordinator::state::config::Receiver;
    use crate::coordinator::state::input::{Effect, Input, Offer, Reply, Snapshot};
    use crate::coordinator::{Config, next_wake, step};

    /// Two tasks are assigned, and everything but a notification is answered with `reply` until `until`: what is said,
    /// and what people are notified of.
    fn answer_all(state: &mut State, first: Input, reply: &Reply, until: Stamp) -> (Vec<String>, Vec<String>) {
        let (mut said, mut sent, mut now) = (Vec::new(), Vec::new(), state.volatile.last_now.unwrap());
        let mut inputs = vec![first];
        while now < until {
            for input in std::mem::take(&mut inputs) {
                for effect in step(state, input, now) {
                    let seq = state.volatile.results;
                    match effect {
                        Effect::Say { text, .. } => said.push(text),
                        Effect::Do { id, action: Action::Notify { notice, .. }, .. } => {
                            sent.push(notice.text);
                            inputs.push(Input::Reply { id, reply: Reply::Done });
                        }
                        Effect::Do { id, .. } => inputs.push(Input::Reply { id, reply: reply.clone() }),
                        Effect::Observe { .. } => {
                            inputs.push(Input::Snapshot(Snapshot { seq, ..Snapshot::default() }));
                        }
                        _ => {}
                    }
                }
            }
            if inputs.is_empty() {
                now = next_wake(state).unwrap().max(now.plus(Duration::from_secs(1)));
                inputs.push(Input::Tick);
            }
        }
        (said, sent)
    }

    #[test]
    fn a_record_that_cannot_be_committed_is_told_once_until_it_is_committed() {
        let now = Stamp::from_unix(1_000_000);
        let mut state = State::new();
        let phone = Receiver { name: "phone".into(), on: Vec::new(), repeat: Duration::from_secs(60), per_hour: 9 };
        let every = Some(Duration::from_secs(600));
        let config = Config { commit_every: every, receivers: vec![phone], ..Config::default() };
        step(&mut state, Input::Started(config), now);
        state.unrecorded_since = Some(now);
        let later = |hours: u64| now.plus(Duration::from_secs(hours * 3600));
        let refused = Reply::Refused { why: "a merge is in progress".into() };
        let (_, sent) = answer_all(&mut state, Input::Tick, &refused, later(9));
        assert_eq!(sent, ["cannot commit the record after 3 failures, and retries: a merge is in progress"]);
        assert!(state.commit_failing.as_ref().is_some_and(|failing| failing.is_stuck() && failing.failures > 9));
        answer_all(&mut state, Input::Tick, &Reply::Done, later(10));
        assert_eq!(state.commit_failing, None);
    }

    #[test]
    fn what_keeps_failing_is_told_once_and_again_when_it_works() {
        let now = Stamp::from_unix(1_000_000);
        let mut state = State::new();
        let phone = Receiver { name: "phone".into(), on: Vec::new(), repeat: Duration::from_secs(60), per_hour: 9 };
        step(&mut state, Input::Started(Config { slots: 2, receivers: vec![phone], ..Config::default() }), now);
        let offer = |task: &str| Offer { task: task.into(), source: "backlog".into(), ..Offer::default() };
        let snapshot = Snapshot { offers: vec![offer("A"), offer("B")], ..Snapshot::default() };
        let failed = Reply::Failed { why: "the hub is on branch other".into() };
        let later = |hours: u64| now.plus(Duration::from_secs(hours * 3600));
        let (said, sent) = answer_all(&mut state, Input::Snapshot(snapshot), &failed, later(9));
        let told = "cannot continue after 3 failures, and retries: the hub is on branch other";
        assert_eq!(sent, [told], "two jobs wait for the same, all night");
        assert_eq!(said.iter().filter(|text| *text == told).count(), 1, "{said:?}");
        assert!(state.failing().count() >= 2, "both are shown");
        let refused = Reply::Refused { why: "another seat has it".into() };
        let (said, _) = answer_all(&mut state, Input::Tick, &refused, later(10));
        let works = said.iter().filter(|text| *text == "continues; this is fixed: the hub is on branch other").count();
        assert_eq!(works, 1, "{said:?}");
        assert_eq!(state.failing().count(), 0);
    }
}
