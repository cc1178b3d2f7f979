//! Keeps waits short when the machine's clock is set back: a wait is a moment of the wall clock, which then comes
//! later than it should.

use std::time::Duration;

use super::config::Config;
use super::{Phase, State};
use crate::base::Stamp;

impl State {
    /// The clock was set back by `back` while this process ran: what was to happen in five minutes still does. The end
    /// of an account's limit is a moment that somebody else named, and stays.
    pub fn turn_back(&mut self, back: Duration) {
        let earlier = |at: &mut Stamp| *at = at.minus(back);
        let State { jobs, pending, cooling, suspended, quotas, outages, volatile, .. } = self;
        let (unrecorded_since, recorded_at_rest) = (&mut self.unrecorded_since, &mut self.recorded_at_rest);
        for (agent, suspension) in suspended.iter_mut() {
            if outages.contains_key(agent) {
                earlier(&mut suspension.until);
            }
        }
        for job in jobs {
            let names_time = |agent: &String| suspended.contains_key(agent) || quotas.contains_key(agent);
            let is_suspended = job.work.agents.iter().any(names_time);
            match &mut job.phase {
                Phase::Waiting { until } if !is_suspended => earlier(until),
                _ => {}
            }
            // The next extension of its lease is due as long after the last one as before.
            job.kept.iter_mut().for_each(earlier);
        }
        pending.iter_mut().filter_map(|pending| pending.after.as_mut()).for_each(earlier);
        cooling.values_mut().for_each(earlier);
        let own = [unrecorded_since, recorded_at_rest];
        own.into_iter().filter_map(Option::as_mut).for_each(earlier);
        let volatile =
            [&mut volatile.next_poll, &mut volatile.observe_after, &mut volatile.commit_after, &mut volatile.stop_by];
        volatile.into_iter().filter_map(Option::as_mut).for_each(earlier);
    }

    /// Shortens waits that no clock that only goes forward could have left: the last process wrote them before the
    /// clock was set back.
    pub fn forget_far_waits(&mut self, config: &Config, now: Stamp) {
        let retry = config.retry_after.iter().copied().chain([config.poll_max]).max().unwrap_or_default();
        let nearest = |at: &mut Stamp, longest: Duration| *at = (*at).min(now.plus(longest));
        let State { jobs, cooling, suspended, quotas, outages, unrecorded_since, recorded_at_rest, .. } = self;
        for (agent, suspension) in suspended.iter_mut() {
            if outages.contains_key(agent) {
                nearest(&mut suspension.until, config.outage_most.max(config.outage_first));
            }
        }
        for job in jobs.iter_mut() {
            let names_time = |agent: &String| suspended.contains_key(agent) || quotas.contains_key(agent);
            let is_suspended = job.work.agents.iter().any(names_time);
            match &mut job.phase {
                Phase::Waiting { until } if !is_suspended => nearest(until, retry),
                _ => {}
            }
        }
        cooling.values_mut().for_each(|until| nearest(until, config.cool_down));
        // Moments of the past: what comes some time after them must not wait for the wrong clock's date.
        let kept = jobs.iter_mut().filter_map(|job| job.kept.as_mut());
        let past = kept.chain(unrecorded_since.as_mut()).chain(recorded_at_rest.as_mut());
        past.for_each(|at| nearest(at, Duration::ZERO));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::state::Suspension;
    use crate::coordinator::state::config::Receiver;
    use crate::coordinator::state::input::{Action, Effect, How, Input, Snapshot};
    use crate::coordinator::{next_wake, step};

    const MINUTE: Duration = Duration::from_secs(60);

    fn idle(now: Stamp) -> State {
        let mut state = State::new();
        step(&mut state, Input::Started(Config::default()), now);
        step(&mut state, Input::Snapshot(Snapshot::default()), now);
        state
    }

    #[test]
    fn a_clock_that_is_set_back_makes_no_wait_longer() {
        let now = Stamp::from_unix(2_000_000_000);
        let mut state = idle(now);
        state.cooling.insert("A".into(), now.plus(5 * MINUTE));
        let suspended = |until| Suspension { until, reason: "x".into() };
        state.suspended.insert("limited".into(), suspended(now.plus(30 * MINUTE)));
        state.suspended.insert("down".into(), suspended(now.plus(MINUTE)));
        state.outages.insert("down".into(), 1);
        let back = now.minus(100 * MINUTE);
        step(&mut state, Input::Woken, back);
        assert_eq!(state.cooling["A"], back.plus(5 * MINUTE));
        assert_eq!(state.suspended["down"].until, back.plus(MINUTE), "we chose when to ask it again");
        assert_eq!(state.suspended["limited"].until, now.plus(30 * MINUTE), "its provider named that time");
        assert!(next_wake(&state).unwrap() <= back.plus(MINUTE), "the safety poll comes as before");
        // A correction by a second is none.
        let wake = next_wake(&state);
        step(&mut state, Input::Tick, back.minus(Duration::from_secs(1)));
        assert_eq!(next_wake(&state), wake);
    }

    #[test]
    fn waits_that_a_clock_in_the_future_left_are_forgotten_at_the_next_start() {
        let future = Stamp::from_unix(2_000_000_000);
        let mut state = idle(future);
        state.cooling.insert("A".into(), future.plus(5 * MINUTE));
        state.unrecorded_since = Some(future);
        let now = future.minus(1000 * MINUTE);
        step(&mut state, Input::Started(Config::default()), now);
        assert_eq!(state.cooling["A"], now.plus(5 * MINUTE));
        assert!(state.unrecorded_since <= Some(now), "the record is committed soon");
        assert!(next_wake(&state).unwrap() <= now.plus(5 * MINUTE));
    }

    #[test]
    fn a_full_disk_pauses_work_with_a_reason_and_is_told_once_each_way() {
        let now = Stamp::from_unix(2_000_000_000);
        let mut state = idle(now);
        let full = || Some("the disk of / has 1 MB left".to_owned());
        let mut said = Vec::new();
        for (minute, no_room) in [(1, full()), (2, full()), (3, None), (4, None)] {
            let snapshot = Snapshot { seq: state.volatile.results, no_room, ..Snapshot::default() };
            for effect in step(&mut state, Input::Snapshot(snapshot), now.plus(minute * MINUTE)) {
                if let Effect::Say { text, .. } = effect {
                    said.push(text);
                }
            }
            assert!(next_wake(&state).unwrap() <= now.plus((minute + 1) * MINUTE), "it is looked at again soon");
        }
        assert_eq!(said, ["no job starts: the disk of / has 1 MB left", "there is enough free disk space again"]);
    }

    #[test]
    fn a_record_that_cannot_be_read_says_nothing_of_the_disk() {
        let now = Stamp::from_unix(2_000_000_000);
        let mut state = idle(now);
        let phone = Receiver { name: "phone".into(), on: Vec::new(), repeat: 60 * MINUTE, per_hour: 9 };
        step(&mut state, Input::Settings(Config { receivers: vec![phone], ..Config::default() }), now);
        let (mut said, mut sent) = (Vec::new(), 0);
        let full = |free: u32| Some(format!("only {free} MiB are free"));
        // At last, a disk that is full again a minute after there was room.
        for (minute, no_room) in [(1, full(9)), (2, None), (3, full(8)), (4, None), (5, full(7))] {
            let unreadable = minute == 2;
            let snapshot = Snapshot { seq: state.volatile.results, no_room, unreadable, ..Snapshot::default() };
            for effect in step(&mut state, Input::Snapshot(snapshot), now.plus(minute * MINUTE)) {
                match effect {
                    Effect::Say { text, .. } => said.push(text),
                    Effect::Do { action: Action::Notify { .. }, .. } => sent += 1,
                    _ => {}
                }
            }
        }
        let [full, enough] = ["no job starts: only 9 MiB are free", "there is enough free disk space again"];
        assert_eq!(said, [full, enough, "no job starts: only 7 MiB are free"]);
        assert_eq!(sent, 1, "the same notification is not repeated because its number differs");
    }

    #[test]
    fn a_stop_that_waits_for_stages_is_bounded() {
        let now = Stamp::from_unix(2_000_000_000);
        let mut state = idle(now);
        let job = serde_json::json!({
            "id": "20300101T000000Z-1", "task": "T", "plan": null, "step": null, "origin": null, "title": "t",
            "source": "plan", "seat": "a", "phase": {"is": "running", "since": now}, "epoch": 1, "order": "o", "run": 1,
            "failures": 0, "interruptions": 0, "wish": null, "last": null, "chosen_at": now,
        });
        state.jobs.push(serde_json::from_value(job).unwrap());
        let stopped = |effects: Vec<Effect>| {
            effects.into_iter().find_map(|effect| match effect {
                Effect::StopWorker { how, .. } => Some(how),
                _ => None,
            })
        };
        assert_eq!(stopped(step(&mut state, Input::Terminate(How::Stage), now)), Some(How::Stage));
        let limit = now.plus(Config::default().stop_within);
        assert_eq!(stopped(step(&mut state, Input::Tick, limit.minus(MINUTE))), None);
        assert!(next_wake(&state).unwrap() <= limit);
        assert_eq!(stopped(step(&mut state, Input::Tick, limit)), Some(How::Now));
    }
}
