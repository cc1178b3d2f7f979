//! Decides when the process ends by itself, and what it reports while waiting.

use super::context::{StepContext, ends_when_idle, has_more_to_start, has_observed, is_quiet};
use crate::base::{text, time};
use crate::coordinator::state::input::{Action, Effect, How, Leave, LeftAs};
use crate::coordinator::state::volatile::Seen;
use crate::coordinator::state::{Job, Pending, Phase, State};
use crate::hub::settings::notify::Topic;

/// There is no work that could start.
const WAITING: &str = "waiting for work";

/// Why no job starts; `None` when jobs run or there is no work. The breaker and a pause are no reason here, because
/// everything that shows this shows them, too.
pub fn obstacle(state: &State) -> Option<String> {
    let no_room = || state.volatile.seen.as_ref()?.no_room.clone();
    let waits = || waiting(state).filter(|_| state.breaker.open.is_none() && state.paused.is_none());
    impediment(state).or_else(no_room).or_else(waits)
}

/// Why nothing may start that only people can fix: consent, settings, a finding.
fn impediment(state: &State) -> Option<String> {
    let seen = state.volatile.seen.as_ref()?;
    let stop = seen.stop.clone().or_else(|| seen.no_choice.clone());
    let not_allowed = || state.volatile.passed.iter().find(|passed| passed.left == LeftAs::NotAllowed);
    let danger = || seen.danger.as_ref().map(|why| format!("{why}; see: teof status"));
    stop.or_else(|| not_allowed().map(|found| found.why.clone())).or_else(danger)
}

/// Why the first work that was passed over waits, when nothing runs.
fn waiting(state: &State) -> Option<String> {
    let works = state.jobs.iter().any(Job::takes_a_slot) || has_more_to_start(state);
    let first = state.volatile.passed.iter().find(|passed| passed.left == LeftAs::Waiting).filter(|_| !works)?;
    Some(format!("{}: {}", first.task, first.why))
}

impl StepContext<'_> {
    pub(super) fn leave(&mut self) {
        let state = &*self.state;
        let ends = ends_when_idle(state, &self.config);
        let leave = if self.config.one_shot {
            // Failed actions are saved, as is everything that a one-shot run skips.
            (has_observed(state) && state.volatile.flying.is_empty()).then_some(Leave::Idle)
        } else if state.volatile.termination.is_some() {
            // Failed actions are saved and retried by the next process.
            let runs = |job: &Job| matches!(job.phase, Phase::Running { .. });
            // A delivery that hangs, or a merge in a process of its own, does not delay the end.
            let delays = |action: &Action| !matches!(action, Action::Notify { .. } | Action::Approve { .. });
            let flies = |pending: &Pending| state.volatile.flying.contains(&pending.id) && delays(&pending.action);
            let is_busy = state.pending.iter().any(flies) || state.jobs.iter().any(runs);
            (!is_busy).then_some(Leave::Stopped)
        } else if ends && self.is_stuck() {
            Some(Leave::Stuck)
        } else if ends && is_quiet(state) && !has_more_to_start(self.state) {
            Some(match &state.volatile.seen {
                _ if state.breaker.open.is_some() => Leave::Breaker,
                Some(Seen { unreadable: true, .. }) => Leave::Unreadable,
                Some(Seen { danger: Some(_), .. }) => Leave::Finding,
                Some(Seen { stop: Some(_), .. }) => Leave::NoConsent,
                _ if state.volatile.has_left(LeftAs::NotAllowed) => Leave::NoConsent,
                _ if state.volatile.has_left(LeftAs::NextRun) => Leave::MaxJobs,
                _ => Leave::Idle,
            })
        } else {
            None
        };
        if let Some(leave) = leave {
            self.state.volatile.config = None;
            self.state.in_use &= self.config.one_shot;
            self.out.push(Effect::Exit(leave));
        }
    }

    /// Stages that did not end in time no longer delay a termination: they are stopped, and resume at the next start.
    pub(super) fn hurry(&mut self) {
        let volatile = &self.state.volatile;
        let is_late = volatile.stop_by.is_some_and(|by| by <= self.now);
        if !is_late || volatile.termination != Some(How::Stage) {
            return;
        }
        if self.state.jobs.iter().any(Job::takes_a_slot) {
            let waited = time::show_span(self.config.stop_within);
            self.say(None, format!("stages did not end within {waited} (coordinator.stop_within); stopping them"));
        }
        self.end(How::Now);
    }

    /// Tells people that the last process ended without having been asked to, and that its work continues.
    pub(super) fn tell_of_crash(&mut self) {
        let jobs = self.state.live_jobs().filter(|job| !job.is_under_review()).count();
        if std::mem::replace(&mut self.state.in_use, true) {
            let jobs = text::counted(jobs as u64, "job");
            self.notify(
                Topic::Recovered,
                None,
                &format!("the coordinator ended unexpectedly and was started again; {jobs} open"),
            );
        }
    }

    /// Reports once that a disk has too little room, and once that it has enough again.
    pub(super) fn notify_room(&mut self, no_room: Option<&str>) {
        let before = self.state.volatile.seen.as_ref().and_then(|seen| seen.no_room.as_deref());
        let text = match (before, no_room) {
            (None, Some(why)) => format!("no job starts: {why}"),
            (Some(_), None) => "there is enough free disk space again".to_owned(),
            _ => return,
        };
        self.say(None, text.clone());
        if no_room.is_some() {
            // Each time with another number.
            self.notify_about(Topic::Problem, None, "no room", &text);
        }
        self.queue(Action::Note { text, job: None, alert: no_room.is_some() });
    }

    /// Whether only failing actions are left and no worker runs.
    fn is_stuck(&self) -> bool {
        let state = &*self.state;
        let waits = |pending: &Pending| pending.is_held_back() || pending.is_stuck();
        let blocks = |job: &Job| job.rests() || state.pending.iter().any(|p| p.action.job() == Some(&job.id));
        has_observed(state)
            && state.volatile.flying.is_empty()
            && state.failing().next().is_some()
            && state.pending.iter().all(waits)
            && state.jobs.iter().all(blocks)
            && !has_more_to_start(self.state)
    }

    /// Reports once what a coordinator that goes on has to wait for, when no job runs and none can start.
    pub(super) fn notify_idle(&mut self) {
        let state = &*self.state;
        let is_leaving = state.volatile.termination.is_some() || self.config.until_idle || self.config.one_shot;
        if state.jobs.iter().any(Job::takes_a_slot) {
            self.state.volatile.notified_idle = None;
            return;
        }
        // What cannot be read, and a full disk, are told by themselves.
        let is_told = |seen: &Seen| seen.unreadable || seen.no_room.is_some();
        if is_leaving || !is_quiet(state) || state.volatile.seen.as_ref().is_some_and(is_told) {
            return;
        }
        let told = if has_more_to_start(self.state) { None } else { Some(self.awaited()) };
        if state.volatile.notified_idle == told {
            return;
        }
        self.state.volatile.notified_idle.clone_from(&told);
        if let Some(told) = told {
            let is_known = self.state.breaker.open.is_some() || self.state.paused.is_some();
            if !is_known && impediment(self.state).is_some() {
                self.notify(Topic::Problem, None, &told);
            }
            self.say(None, told);
        }
    }

    /// What has to happen before another job starts.
    fn awaited(&self) -> String {
        let state = &*self.state;
        if let Some(trip) = &state.breaker.open {
            return format!("no job starts: the breaker is open: {}; see: teof status", trip.reason);
        }
        if let Some(word) = &state.paused {
            return format!("no job starts: paused by {}; continue with: teof coordinator resume", word.by);
        }
        if let Some(why) = impediment(state) {
            return format!("no job starts: {why}");
        }
        let waiting = waiting(state).map(|why| format!("no job starts: {why}"));
        let paused: Vec<_> = state.live_jobs().filter(|job| job.paused.is_some() && job.rests()).collect();
        if let Some(job) = paused.first() {
            let (jobs, short) = (text::counted(paused.len() as u64, "job"), job.short());
            let waiting = waiting.as_deref().unwrap_or(WAITING);
            return format!("{waiting}; {jobs} paused: teof coordinator resume {short}");
        }
        let reviews = state.live_jobs().filter(|job| job.is_under_review()).count();
        match (reviews, waiting) {
            (0, Some(waiting)) => waiting,
            (0, None) => format!("{WAITING}; queue some: teof coordinator submit --objective \"...\""),
            (many, waiting) => {
                let (waiting, waits) =
                    (waiting.as_deref().unwrap_or(WAITING), if many == 1 { "waits" } else { "wait" });
                format!("{waiting}; {} {waits} for you: teof review", text::counted(many as u64, "result"))
            }
        }
    }

    /// Reports once that it only waits for suspended agents, and for how long.
    pub(super) fn notify_wait(&mut self) {
        let retries = |job: &Job| match job.phase {
            Phase::Waiting { .. } => self.state.asleep(&job.work.agents, self.now).is_none(),
            _ => false,
        };
        let waits = !self.config.one_shot
            && is_quiet(self.state)
            && has_more_to_start(self.state)
            && !self.state.live_jobs().any(retries);
        let resets = super::choose::quotas::resets(self.state, &self.config);
        let untils = self.state.suspended.values().map(|suspension| suspension.until).chain(resets);
        let until = untils.min().filter(|_| waits);
        let Some(until) = until.filter(|until| self.state.volatile.notified_wait != Some(*until)) else { return };
        self.state.volatile.notified_wait = Some(until);
        let wait = time::rounded(until.since(self.now));
        let agents: Vec<_> =
            self.state.suspended.iter().map(|(agent, one)| format!("{agent}: {}", one.reason)).collect();
        let near = super::choose::quotas::near_limit(self.state, &self.config);
        let near = near.map(|(agent, quota)| format!("{agent}: {} is used", quota.describe()));
        let agents = agents.into_iter().chain(near).collect::<Vec<_>>().join("; ");
        self.say(
            None,
            format!(
                "waiting until {until} (in {wait}), then work continues ({agents}); retry now: teof coordinator resume"
            ),
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::input::{Input, Offer, Seat, Snapshot};
    use crate::coordinator::{Config, step};

    /// What an idle coordinator says after an observation of one task, and what `teof status` shows.
    fn said(snapshot: Snapshot) -> (Vec<String>, Option<String>) {
        let (mut state, now) = (State::new(), Stamp::from_unix(1_000_000));
        step(&mut state, Input::Started(Config::default()), now);
        let offers = vec![Offer { task: "A".into(), source: "backlog".into(), ..Offer::default() }];
        let mut effects = step(&mut state, Input::Snapshot(Snapshot { offers, ..snapshot }), now);
        // What is written down first.
        while let Some(id) = state.pending.first().map(|pending| pending.id) {
            effects.extend(step(&mut state, Input::Reply { id, reply: crate::coordinator::Reply::Done }, now));
            let seq = state.volatile.results;
            if effects.iter().any(|effect| matches!(effect, Effect::Observe { .. })) && state.volatile.observing {
                effects.extend(step(&mut state, Input::Snapshot(Snapshot { seq, ..Snapshot::default() }), now));
            }
        }
        let said = effects.into_iter().filter_map(|effect| match effect {
            Effect::Say { text, .. } => Some(text),
            _ => None,
        });
        (said.collect(), obstacle(&state))
    }

    #[test]
    fn work_that_waits_is_named_with_its_reason() {
        let seat = Seat { id: "codex-1".into(), daily_limit: Some(0), interactive: false };
        let limit = "A: every seat has reached its limit for today";
        let found = said(Snapshot { seats: vec![seat], ..Snapshot::default() });
        assert_eq!(found, (vec![format!("no job starts: {limit}")], Some(limit.to_owned())));
        let full = "only 9 MiB are free";
        let found = said(Snapshot { no_room: Some(full.into()), ..Snapshot::default() });
        assert_eq!(found, (vec![format!("no job starts: {full}")], Some(full.to_owned())), "told once");
    }
}
