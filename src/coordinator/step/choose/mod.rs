//! Chooses which of the selector's offers are assigned now, and to which seat.
//!
//! The selector ranks and checks the record. This module only checks what the coordinator itself limits: slots, one
//! step per plan, operators' commands, seats and their daily limits.

mod preempt;
pub(super) mod quotas;

use std::collections::BTreeSet;

use super::context::{ALLOW_MORE, StepContext, closed, has_slot, not_covered, working};
use crate::base::digest;
use crate::coordinator::state::input::{Action, Decision, LeftAs, Offer, Skipped, Snapshot};
use crate::coordinator::state::{DailyCount, Job, Work};
use crate::hub::settings::Overlap;
use crate::hub::settings::notify::Topic;
use crate::model::run::job_name::{self, is_called};
use crate::seats::pool;

/// How many passed-over tasks a decision lists; more are only counted.
const LISTED: usize = 40;
/// How many made reports are stored.
const TOLD: usize = 500;

impl StepContext<'_> {
    /// Assigns as much as the slots allow, best first.
    pub(in crate::coordinator) fn choose(&mut self, mut snapshot: Snapshot) {
        self.notify_once(&snapshot.skipped);
        let (mut passed, mut waiting) = (Vec::new(), BTreeSet::new());
        let mut chose = false;
        self.promised_first(&mut snapshot.offers);
        for offer in snapshot.offers {
            if !has_slot(self.state, &self.config)
                && !self.is_promised(&offer.task)
                && self.preemptible(&offer).is_none()
            {
                // Submissions and the rest are each sorted by priority: what follows the first of the rest is no more
                // urgent.
                match offer.is_submission() {
                    true => continue,
                    false => break,
                }
            }
            let found = match self.obstacle(&offer) {
                Some(obstacle) => Err(obstacle),
                None => self.seat_for(&offer).map_err(|why| (LeftAs::Waiting, why)),
            };
            match found {
                Err((left, why)) => passed.push(Skipped { task: offer.task, why, tell: false, left }),
                Ok(seat) if has_slot(self.state, &self.config) => {
                    self.assign(offer, seat, passed.iter().chain(&snapshot.skipped));
                    chose = true;
                }
                Ok(_) => {
                    if let Some(skipped) = self.make_room(&offer) {
                        waiting.insert(offer.task);
                        passed.push(skipped);
                    }
                }
            }
        }
        self.drop_promises(&waiting);
        let all = passed.iter().chain(&snapshot.skipped).cloned();
        let (uncounted, counted) = all.partition(|skipped| skipped.left == LeftAs::Uncounted);
        (self.state.volatile.passed, self.state.volatile.uncounted) = (counted, uncounted);
        if chose {
            self.poll_after(self.config.poll_min);
            self.state.last_nothing.clear();
        } else if has_slot(self.state, &self.config) {
            self.log_nothing(passed.iter().chain(&snapshot.skipped));
        }
    }

    /// Why an offer is not assigned now, and how it counts.
    fn obstacle(&self, offer: &Offer) -> Option<(LeftAs, String)> {
        let state = &*self.state;
        let is_meant = |name: &str| is_called(name, &offer.task, offer.plan.as_deref(), offer.step.as_deref());
        // It stays skipped when the rest may start again, so it comes first.
        if let Some((_, word)) = state.skips.iter().find(|(name, _)| is_meant(name)) {
            return Some((LeftAs::Uncounted, word.skipped()));
        }
        if let Some(why) = closed(state, &offer.task) {
            return Some((LeftAs::Waiting, why));
        }
        if let Some(only) = self.config.only.as_deref().filter(|only| !is_meant(only)) {
            return Some((LeftAs::Uncounted, format!("this run only does {only}")));
        }
        let seen = state.volatile.seen.as_ref();
        let allowed = seen.and_then(|seen| seen.only.as_ref());
        if let Some(only) =
            allowed.filter(|only| !only.covers(&offer.task, offer.plan.as_deref(), offer.step.as_deref()))
        {
            return Some((LeftAs::NotAllowed, not_covered(only)));
        }
        if let (Some(only), Some(grant)) = (allowed, &state.grant)
            && !state.has_job_left(only, grant.at, &offer.task, offer.plan.as_deref(), offer.step.as_deref())
        {
            let why = format!("only the one job of teof do was allowed, and it has started; {ALLOW_MORE}");
            return Some((LeftAs::NotAllowed, why));
        }
        if self.config.max_jobs.is_some_and(|max| state.volatile.chosen >= max) {
            return Some((LeftAs::NextRun, "all requested jobs have started".into()));
        }
        if let Some(why) = state.volatile.seen.as_ref().and_then(|seen| seen.danger.clone()) {
            return Some((LeftAs::Waiting, why));
        }
        if let Some(why) = state.volatile.seen.as_ref().and_then(|seen| seen.no_choice.clone()) {
            return Some((LeftAs::NotAllowed, why));
        }
        let most = state.volatile.seen.as_ref().and_then(|seen| seen.most);
        if most.is_some_and(|most| state.chosen_since_grant() >= most) {
            return Some((LeftAs::NotAllowed, format!("all allowed jobs have started; {ALLOW_MORE}")));
        }
        if let Some(until) = state.cooling.get(&offer.task) {
            return Some((LeftAs::Waiting, format!("could not be assigned; retried after {until}")));
        }
        if let Some(job) = state.live_jobs().find(|job| job.task == offer.task) {
            return Some((LeftAs::Uncounted, format!("already has job {}", job.short())));
        }
        if let Some((agent, suspension)) = state.asleep(&offer.agents, self.now) {
            let why = format!("its agent {agent} is suspended until {}: {}", suspension.until, suspension.reason);
            return Some((LeftAs::Suspended, why));
        }
        if let Some(why) =
            quotas::withheld(state, &self.config, &offer.agents, offer.priority, self.now).map(|held| held.why())
        {
            return Some((LeftAs::Suspended, why));
        }
        if self.config.overlap == Overlap::Wait
            && let Some((job, paths)) = state.in_the_way(&offer.paths)
        {
            let why = format!("waits for {}: both may change {}", job.short(), paths.join(", "));
            return Some((LeftAs::Uncounted, why));
        }
        let plan = offer.plan.as_ref()?;
        let other = state.live_jobs().find(|job| job.plan.as_ref() == Some(plan))?;
        let why =
            format!("step {} of its plan already has job {}", other.step.as_deref().unwrap_or("?"), other.short());
        Some((LeftAs::Uncounted, why))
    }

    /// The seat an offer is meant for, else one that has nothing to do, else a new one.
    ///
    /// A seat works on one job at a time. Its results under review do not count: they may wait for days.
    fn seat_for(&self, offer: &Offer) -> Result<String, String> {
        let state = &*self.state;
        let seats = state.volatile.seen.as_ref().map_or(&[][..], |seen| &seen.seats);
        let jobs = |seat: &str| state.live_jobs().filter(|job| job.seat == seat).count();
        let is_idle = |seat: &str| state.live_jobs().all(|job| job.seat != seat || job.is_under_review());
        let today = |seat: &str| state.given.get(seat).filter(|g| g.day == self.now.date()).map_or(0, |g| g.times);
        let has_room = |seat: &&crate::coordinator::state::input::Seat| {
            seat.daily_limit.is_none_or(|limit| today(&seat.id) < limit)
        };
        let seen = state.volatile.seen.as_ref();
        let is_made = |name: &str| seen.map_or_else(|| pool::is_made(name), |seen| seen.is_made(name));
        let wanted = state.reassigned.get(&offer.task).or(offer.seat.as_ref());
        if let Some(wanted) = wanted {
            let seat = seats.iter().find(|seat| seat.id == *wanted);
            return match seat {
                None if !is_made(wanted) => Err(format!("seat {wanted} is not a worker seat")),
                Some(seat) if seat.interactive => {
                    Err(format!("seat {wanted} is in interactive use and gets no unattended work"))
                }
                Some(seat) if !has_room(&seat) => Err(format!("seat {wanted} has reached its limit for today")),
                _ => match working(state, wanted) {
                    Some(job) => Err(format!("seat {wanted} works on job {}", job.short())),
                    None => Ok(wanted.clone()),
                },
            };
        }
        let pool: Vec<_> = seats.iter().filter(|seat| !seat.interactive).collect();
        // Jobs of made seats count against the limits of the others: they must not add to what a day allows.
        let limits: Option<Vec<u64>> = pool.iter().map(|seat| seat.daily_limit).collect();
        let most = limits.filter(|limits| !limits.is_empty()).map(|limits| limits.iter().sum::<u64>());
        let of_pool = |name: &str| pool.iter().any(|seat| seat.id == name);
        let counted = state.given.keys().filter(|name| of_pool(name) || is_made(name));
        if most.is_some_and(|most| counted.map(|name| today(name)).sum::<u64>() >= most) {
            return Err("every seat has reached its limit for today".into());
        }
        let idle = pool.iter().copied().filter(has_room).filter(|seat| is_idle(&seat.id));
        if let Some(seat) = idle.min_by_key(|seat| (jobs(&seat.id), today(&seat.id), &seat.id)) {
            return Ok(seat.id.clone());
        }
        Ok(pool::next_name(|name| !is_made(name) || !is_idle(name)))
    }

    fn assign<'a>(&mut self, mut offer: Offer, seat: String, skipped: impl Iterator<Item = &'a Skipped>) {
        if self.config.overlap == Overlap::Warn
            && let Some((job, paths)) = self.state.in_the_way(&offer.paths)
        {
            let paths = paths.join(", ");
            offer.why = format!("{}; may conflict with {}: both may change {paths}", offer.why, job.short());
        }
        let state = &mut *self.state;
        state.last_job += 1;
        let id = job_name::id(self.now, state.last_job);
        let is_repeated = state.jobs.iter().any(|job| job.task == offer.task);
        let asked = state.submissions.iter().find(|submission| is_repeated && submission.means(&offer));
        let note = asked.and_then(|submission| submission.word.note.clone());
        let submissions: Vec<_> = state.submissions.iter().filter(|one| one.means(&offer)).cloned().collect();
        state.submissions.retain(|submission| !submission.means(&offer));
        state.totals.chosen += 1;
        state.volatile.chosen += 1;
        let today = self.now.date();
        let given = state.given.entry(seat.clone()).or_default();
        if given.day != today {
            *given = DailyCount { day: today, times: 0 };
        }
        given.times += 1;
        let (listed, more) = list(skipped);
        self.state.jobs.push(Job {
            plan: offer.plan,
            step: offer.step,
            origin: offer.origin,
            title: offer.title,
            source: offer.source,
            priority: offer.priority,
            paths: if self.config.overlap == Overlap::Off { Vec::new() } else { offer.paths },
            work: Work { agents: offer.agents, ..Work::default() },
            note,
            submissions,
            ..Job::new(id.clone(), offer.task.clone(), seat.clone(), self.now)
        });
        self.queue(Action::Decide(Decision {
            decision: "chose".into(),
            job: Some(id.clone()),
            task: Some(offer.task),
            seat: Some(seat),
            why: offer.why,
            recognised: None,
            skipped: listed,
            more,
        }));
        self.begin(&id);
    }

    /// Logs why nothing was chosen, if the reasons changed.
    fn log_nothing<'a>(&mut self, skipped: impl Iterator<Item = &'a Skipped>) {
        // Running work is not a reason.
        let under_way: Vec<_> = self.state.live_jobs().map(|job| job.task.clone()).collect();
        let (listed, more) = list(skipped.filter(|skipped| !under_way.contains(&skipped.task)));
        let key = match listed.is_empty() {
            true => String::new(),
            false => digest::sha256(format!("{:?} {more}", listed.iter().map(kind).collect::<Vec<_>>()).as_bytes()),
        };
        if key == self.state.last_nothing {
            return;
        }
        self.state.last_nothing = key;
        if !listed.is_empty() {
            let why = "no job can start now".into();
            let (decision, job, task, seat) = ("nothing".into(), None, None, None);
            self.queue(Action::Decide(Decision {
                decision,
                job,
                task,
                seat,
                why,
                recognised: None,
                skipped: listed,
                more,
            }));
        }
    }

    /// Reports, once, what only people can fix.
    fn notify_once(&mut self, skipped: &[Skipped]) {
        for skipped in skipped.iter().filter(|skipped| skipped.tell) {
            let text = format!("{} is not eligible: {}", skipped.task, skipped.why);
            let key = digest::sha256(text.as_bytes())[..16].to_owned();
            if self.state.told.contains(&key) {
                continue;
            }
            self.state.told.push_back(key);
            if self.state.told.len() > TOLD {
                self.state.told.pop_front();
            }
            self.say(None, text.clone());
            self.notify(Topic::Approval, None, &text);
            self.queue(Action::Note { text, job: None, alert: false });
        }
    }
}

/// What makes a reason another one: the task and the words. The free space, a lease's end or a suspension's end may
/// change at each observation.
fn kind(skipped: &Skipped) -> (&str, String) {
    (&skipped.task, skipped.why.chars().filter(|letter| !letter.is_ascii_digit()).collect())
}

fn list<'a>(skipped: impl Iterator<Item = &'a Skipped>) -> (Vec<Skipped>, usize) {
    let mut listed: Vec<Skipped> = skipped.map(|one| Skipped { left: LeftAs::default(), ..one.clone() }).collect();
    let more = listed.len().saturating_sub(LISTED);
    listed.truncate(LISTED);
    (listed, more)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::State;
    use crate::coordinator::state::input::{Effect, Input, Reply, Seat};
    use crate::coordinator::{Config, step};

    #[test]
    fn made_seats_do_not_add_to_the_daily_limits() {
        let chosen = |limits: &[Option<u64>]| {
            let offer = |n: usize| Offer { task: format!("A-{n}"), source: "backlog".into(), ..Offer::default() };
            let seat = |(n, limit): (usize, &Option<u64>)| Seat {
                id: format!("codex-{n}"),
                daily_limit: *limit,
                interactive: false,
            };
            let now = Stamp::from_unix(1_000_000);
            let mut state = State::new();
            step(&mut state, Input::Started(Config { slots: 8, ..Config::default() }), now);
            let seats = limits.iter().enumerate().map(seat).collect();
            let snapshot = Snapshot { offers: (0..6).map(offer).collect(), seats, ..Snapshot::default() };
            step(&mut state, Input::Snapshot(snapshot), now);
            state.jobs.iter().map(|job| job.seat.clone()).collect::<Vec<_>>()
        };
        assert_eq!(chosen(&[Some(2)]), ["codex-0", "worker-1"], "busy is not the same as free of limits");
        assert_eq!(chosen(&[Some(1), Some(3)]).len(), 4);
        assert_eq!(chosen(&[Some(1), None]).len(), 6, "one seat has no limit");
        assert_eq!(chosen(&[]).len(), 6);
    }

    #[test]
    fn why_nothing_starts_is_logged_once_though_its_numbers_and_times_change() {
        let now = Stamp::from_unix(1_000_000);
        let mut state = State::new();
        step(&mut state, Input::Started(Config::default()), now);
        let mut logged = |room: Option<&str>, why: &str| {
            let offers = vec![Offer { task: "A-1".into(), source: "backlog".into(), ..Offer::default() }];
            let offers = if room.is_some() { offers } else { Vec::new() };
            let skipped = vec![Skipped { task: "B-1".into(), why: why.into(), tell: false, left: LeftAs::Uncounted }];
            let (seq, no_room) = (state.volatile.results, room.map(str::to_owned));
            let effects = step(
                &mut state,
                Input::Snapshot(Snapshot { seq, no_room, offers, skipped, ..Snapshot::default() }),
                now,
            );
            let mut found = 0;
            for effect in effects {
                if let Effect::Do { id, action, .. } = effect {
                    found += usize::from(matches!(action, Action::Decide(_)));
                    step(&mut state, Input::Reply { id, reply: Reply::Done }, now);
                }
            }
            found
        };
        let held = |minute: u32| format!("held by worker-3 until 2026-01-05T08:{minute:02}:00Z");
        assert_eq!(logged(Some("only 900 MiB are free"), &held(1)), 1);
        assert_eq!(logged(Some("only 899 MiB are free"), &held(1)), 0, "the disk's number");
        assert_eq!(logged(Some("only 97 MiB are free"), &held(11)), 0, "the lease was renewed");
        assert_eq!(logged(None, &held(12)), 1, "another task can start");
        assert_eq!(logged(None, "on hold"), 1, "another reason");
    }
}
