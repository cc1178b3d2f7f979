//! Notifications: who is told what. The same is not told twice within a while, and not too much in an hour, so that
//! what is sent is read.

mod failing;

use std::time::Duration;

use super::context::StepContext;
use crate::base::{digest, text};
use crate::coordinator::state::Job;
use crate::coordinator::state::input::Action;
use crate::coordinator::state::notice::Notice;
use crate::hub::settings::notify::Topic;

const HOUR: Duration = Duration::from_secs(3600);
/// The longest text, in characters.
const TEXT: usize = 500;
const TITLE: usize = 120;

impl StepContext<'_> {
    /// Tells every receiver that wants to know. What is told again is recognised by topic, run and text.
    pub(in crate::coordinator) fn notify(&mut self, topic: Topic, job: Option<&str>, text: &str) {
        self.notify_about(topic, job, text, text);
    }

    /// The same, recognised by `subject` instead of the text, which has numbers or times that change.
    pub(in crate::coordinator::step) fn notify_about(
        &mut self,
        topic: Topic,
        job: Option<&str>,
        subject: &str,
        text: &str,
    ) {
        if self.config.one_shot || self.config.receivers.is_empty() {
            return;
        }
        let job = job.and_then(|job| self.state.job(job));
        let run = job.map(Job::run_id).unwrap_or_default();
        let key = format!("{} {run} {}", topic.as_str(), &digest::sha256(subject.as_bytes())[..16]);
        let line = |text: &str, max| text::clip(&text::safe(text), max);
        let notice = Notice {
            version: 1,
            event: topic,
            at: self.now,
            text: line(text, TEXT),
            job: job.map(Job::short),
            task: job.map(|job| line(&job.task, TITLE)),
            title: job.map(|job| line(&job.title, TITLE)),
            seat: job.map(|job| line(&job.seat, TITLE)),
            left_out: 0,
        };
        let now = self.now;
        for receiver in self.config.receivers.clone() {
            if !receiver.on.is_empty() && !receiver.on.contains(&topic) {
                continue;
            }
            let sent = self.state.notified.entry(receiver.name.clone()).or_default();
            // A clock that was set back leaves times of the future.
            // Urgent ones are counted by themselves, so that no number of others keeps them back.
            let times = if topic.is_urgent() { &mut sent.urgent } else { &mut sent.times };
            times.retain(|at| *at <= now && now.since(*at) < HOUR);
            sent.last.retain(|_, at| *at <= now && now.since(*at) < receiver.repeat);
            if sent.last.contains_key(&key) {
                continue;
            }
            if times.len() >= receiver.per_hour as usize {
                sent.left_out += 1;
                continue;
            }
            times.push_back(now);
            sent.last.insert(key.clone(), now);
            let left_out = std::mem::take(&mut sent.left_out);
            let notice = Box::new(Notice { left_out, ..notice.clone() });
            self.queue(Action::Notify { to: receiver.name, notice });
        }
    }

    /// Forgets receivers that the settings no longer name.
    pub(in crate::coordinator) fn forget_receivers(&mut self) {
        let receivers = &self.config.receivers;
        self.state.notified.retain(|name, _| receivers.iter().any(|receiver| receiver.name == *name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::State;
    use crate::coordinator::state::config::Receiver;
    use crate::coordinator::state::input::{Effect, Input, Reply};
    use crate::coordinator::{Config, step};

    fn config(on: &[Topic], per_hour: u32) -> Config {
        let receiver = Receiver { name: "phone".into(), on: on.to_vec(), repeat: HOUR, per_hour };
        Config { receivers: vec![receiver], ..Config::default() }
    }

    /// What is sent now, and how many were left out before; each is answered.
    fn tell(state: &mut State, topic: Topic, text: &str, now: Stamp) -> Option<u64> {
        let effects = step(state, Input::Noticed { topic, job: None, text: text.into() }, now);
        let sent = effects.into_iter().find_map(|effect| match effect {
            Effect::Do { id, action: Action::Notify { notice, .. }, .. } => Some((id, notice.left_out)),
            _ => None,
        });
        sent.map(|(id, left_out)| {
            step(state, Input::Reply { id, reply: Reply::Done }, now);
            left_out
        })
    }

    #[test]
    fn the_same_is_told_once_in_a_while_and_not_too_much_in_an_hour() {
        let at = |minute: u64| Stamp::from_unix(2_000_000_000).plus(Duration::from_secs(60 * minute));
        let mut state = State::new();
        step(&mut state, Input::Started(config(&[Topic::Problem], 2)), at(0));
        assert_eq!(tell(&mut state, Topic::Problem, "disk", at(1)), Some(0));
        assert_eq!(tell(&mut state, Topic::Problem, "disk", at(2)), None, "told a minute ago");
        assert_eq!(tell(&mut state, Topic::Completed, "job", at(3)), None, "not wanted");
        assert_eq!(tell(&mut state, Topic::Problem, "watches", at(4)), Some(0));
        assert_eq!(tell(&mut state, Topic::Problem, "settings", at(5)), None, "two in an hour");
        // A crash and a new start tell nothing again.
        let mut state = State::from_bytes(&state.to_bytes()).unwrap();
        step(&mut state, Input::Started(config(&[Topic::Problem], 2)), at(6));
        assert_eq!(tell(&mut state, Topic::Problem, "disk", at(7)), None);
        assert_eq!(tell(&mut state, Topic::Problem, "disk", at(62)), Some(1), "an hour later, with what was left out");
        // The clock is set back by a year.
        assert_eq!(tell(&mut state, Topic::Problem, "disk", at(0).minus(365 * 24 * HOUR)), Some(0));
    }

    #[test]
    fn what_is_urgent_is_told_however_much_else_there_was() {
        let mut state = State::new();
        let now = Stamp::from_unix(2_000_000_000);
        step(&mut state, Input::Started(config(&[], 1)), now);
        assert_eq!(tell(&mut state, Topic::Completed, "one job", now), Some(0));
        assert_eq!(tell(&mut state, Topic::Completed, "another job", now), None);
        assert_eq!(tell(&mut state, Topic::Breaker, "three jobs in a row", now), Some(1), "with what was left out");
        assert_eq!(tell(&mut state, Topic::Problem, "the disk", now), None, "it has a limit too");
    }

    #[test]
    fn an_urgent_notification_that_was_not_delivered_is_sent_again() {
        let at = |minute: u64| Stamp::from_unix(2_000_000_000).plus(Duration::from_secs(60 * minute));
        let sent = |effects: Vec<Effect>| {
            effects.into_iter().find_map(|effect| match effect {
                Effect::Do { id, action: Action::Notify { .. }, check } => Some((id, check)),
                _ => None,
            })
        };
        let mut state = State::new();
        step(&mut state, Input::Started(config(&[], 9)), at(0));
        let noticed = |topic, text: &str| Input::Noticed { topic, job: None, text: text.into() };
        let failed = |id| Input::Reply { id, reply: Reply::Failed { why: "no network".into() } };
        let (id, _) = sent(step(&mut state, noticed(Topic::Completed, "a job"), at(0))).unwrap();
        step(&mut state, failed(id), at(0));
        assert!(state.pending.is_empty(), "it is not urgent");
        let (id, _) = sent(step(&mut state, noticed(Topic::Breaker, "three jobs"), at(0))).unwrap();
        step(&mut state, failed(id), at(0));
        let tries = (1..60).filter(|minute| {
            let found = sent(step(&mut state, Input::Tick, at(*minute)));
            assert!(found.is_none_or(|found| found == (id, false)), "a later delivery does not count for this one");
            if found.is_some() {
                step(&mut state, failed(id), at(*minute));
            }
            found.is_some()
        });
        assert_eq!(tries.collect::<Vec<_>>(), [1, 6, 21, 36, 51]);
        assert!(state.failing().next().is_none(), "no work waits for it");
        assert!(sent(step(&mut state, Input::Tick, at(66))).is_some());
        step(&mut state, Input::Reply { id, reply: Reply::Done }, at(66));
        assert!(state.pending.iter().all(|pending| pending.id != id), "it was delivered");
    }
}
