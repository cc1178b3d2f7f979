//! Suspends agents (account limit, service outage) and counts the day's budget, also in the middle of calls.

use std::time::Duration;

use super::context::StepContext;
use crate::base::text;
use crate::coordinator::state::input::Action;
use crate::coordinator::state::{Job, Phase, Spent, Suspension};
use crate::hub::settings::notify::Topic;
use crate::model::agent::Usage;
use crate::model::run::outcome::{Outcome, Suspended};

/// The shortest wait for an account's limit: one whose end is in the past would be hit again at once.
const SHORTEST: Duration = Duration::from_secs(10);
/// The longest stored reason, in characters.
const MAX_REASON: usize = 200;

impl StepContext<'_> {
    /// Suspends an agent: the job and all work that needs this agent wait.
    pub(in crate::coordinator) fn suspend(&mut self, id: &str, found: &Suspended) {
        let known = self.state.suspended.get(&found.agent).map(|known| known.until);
        // One that ends now is no longer a wait.
        let known = known.filter(|until| *until > self.now);
        let until = match (found.outage, known) {
            // Other jobs hit the same outage at the same time.
            (true, Some(known)) => known,
            (true, None) => self.now.plus(self.wait_for_service(&found.agent)),
            (false, _) => found.until.max(self.now.plus(SHORTEST)),
        };
        let until = known.map_or(until, |known| known.max(until));
        // A limit means that its service answered.
        let ends_outage = !found.outage && self.state.outages.remove(&found.agent).is_some();
        let reason = text::clip(&text::safe(&found.reason), MAX_REASON);
        let reason = if found.outage { format!("its service does not answer ({reason})") } else { reason };
        self.state.suspended.insert(found.agent.clone(), Suspension { until, reason: reason.clone() });
        if let Some(job) = self.job_mut(id)
            && !job.work.agents.contains(&found.agent)
        {
            job.work.agents.push(found.agent.clone());
        }
        self.enter(id, Phase::Waiting { until });
        self.queue(Action::Keep { job: id.to_owned(), until });
        let text = format!("{} is suspended until {until}: {reason}", found.agent);
        self.say(Some(id.to_owned()), text.clone());
        let again = found.outage && self.state.outages.get(&found.agent).is_some_and(|times| *times > 1);
        if (known.is_none() && !again) || ends_outage {
            self.notify(Topic::Limit, Some(id), &text);
            self.queue(Action::Note { text, job: Some(id.to_owned()), alert: false });
        }
    }

    /// The wait for a service that failed again: longer each time.
    fn wait_for_service(&mut self, agent: &str) -> Duration {
        let times = self.state.outages.entry(agent.to_owned()).or_default();
        let wait = self.config.outage_first.saturating_mul(1 << (*times).min(20)).min(self.config.outage_most);
        *times = times.saturating_add(1);
        wait
    }

    /// A run had a result of its own, so the services of its agents work.
    pub(in crate::coordinator) fn answers_again(&mut self, id: &str) {
        let Some(job) = self.state.job(id) else { return };
        for agent in job.work.agents.clone() {
            if self.state.outages.remove(&agent).is_some() {
                self.queue(Action::Note {
                    text: format!("{agent} works again"),
                    job: Some(id.to_owned()),
                    alert: false,
                });
            }
        }
    }

    /// Adds what a run used since it was last counted, and opens the breaker when the day's budget is used up.
    pub(in crate::coordinator) fn count(&mut self, id: &str, outcome: &Outcome) {
        let Some(job) = self.job_mut(id) else { return };
        let more = beyond(outcome.usage, job.counted);
        job.spent = job.used().plus(more);
        job.counted = job.counted.plus(more);
        let today = self.now.date();
        let spent = &mut self.state.spent;
        if spent.day != today {
            *spent = Spent { day: today, today: Usage::default(), total: spent.total };
        }
        spent.today = spent.today.plus(more);
        spent.total = spent.total.plus(more);
        let (tokens, cost) = (spent.today.tokens(), spent.today.cost_usd.unwrap_or(0.0));
        if let Some(over) = self.over_budget(tokens, cost).filter(|_| more != Usage::default()) {
            self.trip(id, over);
        }
    }

    /// What a running worker has used so far: when all together pass the day's budget, their calls are stopped.
    pub(in crate::coordinator) fn uses(&mut self, run: &str, tokens: u64, cost: f64) {
        let is_running = |job: &&Job| matches!(job.phase, Phase::Running { .. });
        let Some(id) =
            self.state.live_jobs().filter(is_running).find(|job| job.run_id() == run).map(|job| job.id.clone())
        else {
            return;
        };
        self.state.volatile.using.insert(run.to_owned(), (tokens, cost));
        let (mut tokens, mut cost) = (0, 0.0);
        for job in self.state.live_jobs().filter(is_running) {
            let Some((used, paid)) = self.state.volatile.using.get(&job.run_id()) else { continue };
            tokens += used.saturating_sub(job.counted.tokens());
            cost += (paid - job.counted.cost_usd.unwrap_or(0.0)).max(0.0);
        }
        if tokens == 0 && cost == 0.0 {
            return;
        }
        let today = Some(&self.state.spent).filter(|spent| spent.day == self.now.date()).map(|spent| spent.today);
        let before = today.unwrap_or_default();
        let over = self.over_budget(before.tokens() + tokens, before.cost_usd.unwrap_or(0.0) + cost);
        if let Some(over) = over.filter(|_| !self.state.volatile.over_budget) {
            self.state.volatile.over_budget = true;
            self.say(None, "the calls of agents are stopped: the day's budget is used up".to_owned());
            self.trip(&id, over);
        }
    }

    /// Why a day's usage is too much; `None` when it is not.
    fn over_budget(&self, tokens: u64, cost: f64) -> Option<String> {
        let (most, dearest) = (self.config.day_tokens, self.config.day_cost);
        if most > 0 && tokens > most {
            return Some(format!("the day's budget is used up: {tokens} tokens of {most} (budget.day_tokens)"));
        }
        let why = || format!("the day's budget is used up: ${cost:.2} of ${dearest:.2} (budget.day_cost)");
        (dearest > 0.0 && cost > dearest).then(why)
    }
}

/// The part of the total that is not counted yet: a resumed run reports its total again.
fn beyond(total: Usage, counted: Usage) -> Usage {
    let cost = total.cost_usd.map(|cost| (cost - counted.cost_usd.unwrap_or(0.0)).max(0.0));
    Usage {
        input_tokens: total.input_tokens.saturating_sub(counted.input_tokens),
        cached_tokens: total.cached_tokens.saturating_sub(counted.cached_tokens),
        output_tokens: total.output_tokens.saturating_sub(counted.output_tokens),
        cost_usd: cost.filter(|cost| *cost > 0.0 || counted.cost_usd.is_none()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::State;
    use crate::coordinator::state::input::{Effect, How, Input};
    use crate::coordinator::{Config, step};

    fn now() -> Stamp {
        Stamp::from_unix(1_000_000)
    }

    fn running(n: u32) -> Job {
        let job = json!({
            "id": format!("20260105T120000Z-{n}"), "task": format!("T-{n}"), "plan": null, "step": null, "origin": null,
            "title": "t", "source": "plan", "seat": format!("a-{n}"), "phase": {"is": "running", "since": now()}, "epoch": 1,
            "order": "o", "run": 1, "failures": 0, "interruptions": 0, "wish": null, "last": null, "chosen_at": now(),
        });
        serde_json::from_value(job).unwrap()
    }

    /// How many workers are stopped when a job says what it has used.
    fn stopped(state: &mut State, n: u32, tokens: u64) -> usize {
        let effects = step(state, Input::Used { run: format!("20260105T120000Z-{n}.1"), tokens, cost: 0.0 }, now());
        effects.iter().filter(|effect| matches!(effect, Effect::StopWorker { how: How::Now, .. })).count()
    }

    fn begun() -> State {
        let mut state = State { jobs: vec![running(1), running(2)], ..State::new() };
        step(&mut state, Input::Started(Config { day_tokens: 1000, ..Config::default() }), now());
        state
    }

    #[test]
    fn a_limit_that_ends_an_outage_is_told() {
        let mut state = begun();
        let mut found = Suspended { agent: "fake".into(), until: now(), reason: "529".into(), outage: true };
        let mut told = |found: &Suspended| {
            let mut context = StepContext { state: &mut state, config: Config::default(), now: now(), out: Vec::new() };
            context.suspend("20260105T120000Z-1", found);
            state.pending.iter().filter(|pending| matches!(pending.action, Action::Note { .. })).count()
        };
        assert_eq!([told(&found), told(&found)], [1, 1], "an outage is told once");
        found.outage = false;
        assert_eq!([told(&found), told(&found)], [2, 2], "so is the limit that ends it");
    }

    #[test]
    fn a_limit_suspends_until_the_time_that_it_names() {
        for (named, wanted) in [(63, 63), (4000, 4000), (0, 10), (-500, 10)] {
            let mut state = begun();
            let until = Stamp::from_unix(now().unix() + named);
            let found = Suspended { agent: "fake".into(), until, reason: "limit".into(), outage: false };
            let mut context = StepContext { state: &mut state, config: Config::default(), now: now(), out: Vec::new() };
            context.suspend("20260105T120000Z-1", &found);
            assert_eq!(state.suspended["fake"].until.unix() - now().unix(), wanted, "{named}");
        }
    }

    #[test]
    fn the_days_budget_stops_calls_when_all_running_jobs_together_pass_it() {
        let mut state = begun();
        assert_eq!([stopped(&mut state, 1, 600), stopped(&mut state, 1, 600)], [0, 0], "the same is counted once");
        assert_eq!(stopped(&mut state, 2, 500), 2);
        assert!(state.breaker.open.as_ref().unwrap().reason.contains("1100 tokens of 1000"));
        assert_eq!(stopped(&mut state, 2, 600), 0, "each is stopped once");

        // A run that continues reports its total again.
        let mut state = begun();
        let counted = Usage { input_tokens: 600, ..Usage::default() };
        state.jobs[0].counted = counted;
        state.spent = Spent { day: now().date(), today: counted, total: counted };
        assert_eq!(stopped(&mut state, 1, 950), 0);
        assert_eq!(stopped(&mut state, 1, 1050), 2);
    }
}
