//! The decision: `step(&mut State, Input, now) -> Vec<Effect>`.
//!
//! Pure. No clock, no disk, no randomness: the same history gives the same decisions, which is what
//! the simulator replays. Whoever calls it saves the state before performing what comes out.

pub(super) mod choose;
pub(super) mod commands;
mod context;
pub(super) mod jobs;
mod leave;
pub mod pauses;
pub(super) mod questions;
pub(super) mod reason;
pub(super) mod review;
pub(super) mod suspensions;
pub(super) mod termination;

use std::time::Duration;

use context::{Turn, closed, commit_due, has_slot, is_quiet, taken};

use super::state::config::Rules;
use super::state::input::{Action, Effect, How, Input, Reply, View};
use super::state::volatile::{Life, Seen};
use super::state::{Grant, Job, Pending, Phase, State, VERSION};
use crate::base::{Stamp, text};

/// The longest reason that is kept of a failed action, in characters.
const MAX_WHY: usize = 300;

/// Takes one input in, and says what is to be done about it.
pub fn step(state: &mut State, input: Input, now: Stamp) -> Vec<Effect> {
    let rules = match (&input, &state.life.rules) {
        (Input::Started(rules), _) | (Input::Settings(rules), Some(_)) | (_, Some(rules)) => rules.clone(),
        (_, None) => return Vec::new(),
    };
    let busy = taken(state);
    let mut turn = Turn { state, rules, now, out: Vec::new() };
    turn.take(input);
    // What found no slot at the last look may have one now.
    turn.state.life.look_again |= taken(turn.state) < busy;
    turn.advance();
    turn.out
}

/// When [`Input::Tick`] is due if nothing else comes in before.
pub fn next_wake(state: &State) -> Option<Stamp> {
    let life = &state.life;
    let rules = life.rules.as_ref()?;
    let retries = state.pending.iter().filter(|p| !life.flying.contains(&p.id)).filter_map(|p| p.after);
    let awake = |job: &Job, at: Stamp| state.asleep(&job.work.agents, at).is_none();
    let attempts = state.jobs.iter().filter_map(|job| match job.phase {
        Phase::Waiting { until }
            if closed(state, &job.task).is_none() && has_slot(state, rules) && awake(job, until) =>
        {
            Some(until)
        }
        _ => None,
    });
    let awakenings = state.suspended.values().map(|suspension| suspension.until);
    let due = life.next_poll.into_iter().chain(life.look_after).chain(retries).chain(attempts).chain(awakenings);
    due.chain(commit_due(state, rules)).min()
}

impl Turn<'_> {
    fn take(&mut self, input: Input) {
        match input {
            Input::Started(rules) => self.started(rules),
            Input::Settings(rules) => self.state.life.rules = Some(rules),
            Input::Tick => {}
            Input::Woken => {
                self.state.life.look_again = true;
                self.poll_after(self.rules.poll_min);
            }
            Input::View(view) => self.viewed(view),
            Input::Reply { id, reply } => self.replied(id, reply),
            Input::Run { run, is } => self.run_is(&run, is),
            Input::Command { id, word, command } => self.command(id, word, command),
            // An errand is over soon anyway, and the workers are not its own.
            Input::Terminate(_) if self.rules.errand => {}
            Input::Terminate(how) => self.end(how),
        }
    }

    fn started(&mut self, rules: Rules) {
        self.state.version = VERSION;
        self.state.life = Life { rules: Some(rules), look_again: true, ask_remote: true, ..Life::default() };
        // Whoever starts it again has seen to what was in the way, and expects a try now.
        self.state.pending.iter_mut().for_each(|pending| pending.after = None);
        self.poll_after(self.rules.poll_min);
    }

    fn viewed(&mut self, mut view: View) {
        let life = &mut self.state.life;
        life.looking = false;
        let fresh = view.seq == life.results;
        if let Some((at, _)) = view.grant
            && self.state.grant.as_ref().is_none_or(|grant| grant.at != at)
        {
            self.state.grant = Some(Grant { at, chosen_before: self.state.totals.chosen });
        }
        life.seen = Some(Seen {
            stop: view.stop.take(),
            blind: view.blind,
            no_choice: view.no_choice.take(),
            danger: view.danger.take(),
            most: view.grant.and_then(|(_, most)| most),
            holds: std::mem::take(&mut view.holds),
            seats: std::mem::take(&mut view.seats),
        });
        self.release_held_back();
        self.saw_reviews(std::mem::take(&mut view.reviews));
        if self.rules.errand {
            return;
        }
        self.state.life.look_after = view.again;
        if fresh {
            // Started work first: what waited for this look takes its slots before anything is chosen.
            self.start_what_rests();
            self.recover(&view.orphans);
            self.choose(view);
        } else {
            // It may show as open what was done while it was read.
            self.state.life.look_again = true;
        }
    }

    /// What waited for a hold to be lifted is due when it was.
    fn release_held_back(&mut self) {
        let State { pending, jobs, life, .. } = &mut *self.state;
        let Some(seen) = &life.seen else { return };
        let on_hold = |id: &str| jobs.iter().any(|job| job.id == id && seen.holds.contains(&job.task));
        let settles = |pending: &&mut Pending| matches!(pending.action, Action::Settle { .. });
        for held in pending.iter_mut().filter(|pending| pending.is_held_back()).filter(settles) {
            if !held.action.job().is_some_and(on_hold) {
                held.after = None;
            }
        }
    }

    fn replied(&mut self, id: u64, reply: Reply) {
        let life = &mut self.state.life;
        let Some(at) = self.state.pending.iter().position(|p| p.id == id) else { return };
        life.flying.remove(&id);
        life.results += 1;
        if let Reply::Failed { why } | Reply::Broken { why } = &reply {
            self.try_again_later(at, why, matches!(reply, Reply::Broken { .. }));
            return;
        }
        if let (Action::Settle { .. } | Action::Deliver { .. }, Reply::NotNow { .. }) =
            (&self.state.pending[at].action, &reply)
        {
            let pending = &mut self.state.pending[at];
            pending.after = Some(self.now.plus(self.rules.poll_max));
            self.state.life.look_again |= matches!(pending.action, Action::Settle { .. });
            return;
        }
        let action = self.state.pending.remove(at).action;
        let wrote = !matches!(reply, Reply::Refused { .. } | Reply::NotNow { .. });
        if wrote && !matches!(action, Action::Commit | Action::Spawn { .. }) {
            self.state.unrecorded_since.get_or_insert(self.now);
        }
        match action {
            Action::Give { job } => self.was_given(&job, reply),
            Action::Order { job } => self.was_ordered(&job, reply),
            Action::Spawn { job, run } => self.was_spawned(&job, &run, reply),
            Action::Await { job } => self.was_awaited(&job, reply),
            Action::Deliver { job } => self.was_delivered(&job, reply),
            Action::Settle { job, ending } => self.was_settled(&job, ending, reply),
            Action::Commit => {
                if let Reply::Refused { why } | Reply::NotNow { why } = reply {
                    self.commit_later(&why);
                }
            }
            Action::Reset { task } => self.was_reset(task, reply),
            // A claim that is lost shows when it is renewed again.
            Action::Keep { .. } | Action::Note { .. } | Action::Decide(_) => {}
        }
    }

    /// Everything that may move now, whatever the input was.
    fn advance(&mut self) {
        self.prune();
        self.poll();
        self.keep_what_waits();
        self.tell_workers();
        self.start_what_rests();
        self.issue();
        if self.state.life.look_again && !self.state.life.looking {
            self.state.life.look_again = false;
            self.state.life.looking = true;
            let remote = std::mem::take(&mut self.state.life.ask_remote) && !self.rules.errand;
            self.out.push(Effect::Look { remote });
        }
        self.commit();
        self.tell_wait();
        self.leave();
    }

    fn poll(&mut self) {
        let life = &mut self.state.life;
        if life.look_after.is_some_and(|at| at <= self.now) {
            life.look_after = None;
            life.look_again = true;
        }
        if life.next_poll.is_none_or(|at| at > self.now) {
            return;
        }
        life.look_again = true;
        life.ask_remote = true;
        // A worker that was told to end and did not is told again; the shell is firmer each time.
        life.told_workers.retain(|_, how| *how != How::Now);
        let longer = (life.poll * 2).min(self.rules.poll_max);
        let works = self.state.live_jobs().any(|job| !job.is_under_review())
            || self.state.pending.iter().any(|pending| !pending.is_held_back());
        self.poll_after(if works { self.rules.poll_min } else { longer });
    }

    /// Gives out what is pending and due.
    fn issue(&mut self) {
        let (life, now) = (&mut self.state.life, self.now);
        for pending in &mut self.state.pending {
            if self.rules.errand && pending.action.is_no_errand() {
                continue;
            }
            if pending.after.is_some_and(|at| at > now) || !life.flying.insert(pending.id) {
                continue;
            }
            let check = pending.issued;
            pending.issued = true;
            self.out.push(Effect::Do { id: pending.id, action: pending.action.clone(), check });
        }
    }

    fn commit(&mut self) {
        let Some(due) = commit_due(self.state, &self.rules) else { return };
        let wait_over = self.state.life.commit_after.is_none_or(|at| at <= self.now);
        if due <= self.now || (wait_over && is_quiet(self.state)) {
            self.state.unrecorded_since = None;
            self.act(Action::Commit);
            self.issue();
        }
    }

    fn commit_later(&mut self, why: &str) {
        self.state.unrecorded_since = Some(self.now);
        self.state.life.commit_after = self.rules.commit_every.map(|every| self.now.plus(every));
        self.say(None, format!("the record is not committed now: {why}"));
    }

    fn try_again_later(&mut self, at: usize, why: &str, broken: bool) {
        let pending = &mut self.state.pending[at];
        if pending.action == Action::Commit {
            self.state.pending.remove(at);
            self.commit_later(why);
            return;
        }
        pending.failures = pending.failures.saturating_add(1);
        let wait = Duration::from_secs(5 << pending.failures.min(6)).min(self.rules.poll_max);
        pending.after = Some(self.now.plus(wait));
        pending.why = Some(text::clip(why, MAX_WHY));
        let job = pending.action.job().map(str::to_owned);
        if let (Some(job), true) = (&job, Self::is_hopeless(&pending.action, pending.failures, broken)) {
            let action = self.state.pending.remove(at).action;
            self.give_up(job, &action, why);
        } else if pending.failures == 1 {
            self.say(job, format!("will be tried again: {why}"));
        }
    }

    /// Forgets what need not be known any more.
    fn prune(&mut self) {
        let over = self.state.jobs.iter().filter(|job| job.is_over()).count();
        let mut surplus = over.saturating_sub(self.rules.keep);
        self.state.jobs.retain(|job| {
            let drop = surplus > 0 && job.is_over();
            surplus -= usize::from(drop);
            !drop
        });
        let cooling = self.state.cooling.len();
        self.state.cooling.retain(|_, until| *until > self.now);
        self.state.life.look_again |= self.state.cooling.len() < cooling;
        let suspended = self.state.suspended.len();
        self.state.suspended.retain(|_, suspension| suspension.until > self.now);
        self.state.life.look_again |= self.state.suspended.len() < suspended;
    }
}
