//! Leaves the rest of an agent's quota to urgent work.
//!
//! Agents report how much of their account's limits is used. From `budget.quota_threshold` on, work that is less urgent
//! than `budget.quota_priority` starts on that agent only after the limit's window has ended. What runs, goes on.

use std::time::Duration;

use crate::base::Stamp;
use crate::coordinator::state::config::Config;
use crate::coordinator::state::input::Action;
use crate::coordinator::state::{Phase, State};
use crate::coordinator::step::context::StepContext;
use crate::model::agent::{Quota, Quotas};
use crate::model::priority::Priority;

/// A window that ends later is a mistake, and work would wait for it.
const LONGEST: Duration = Duration::from_secs(40 * 24 * 3600);

/// Why work waits, and until when.
pub(in crate::coordinator) struct Withheld<'s> {
    agent: &'s str,
    quota: &'s Quota,
    least: Priority,
}

impl Withheld<'_> {
    pub fn why(&self) -> String {
        format!(
            "its agent {} has used {} (until {}); only work of priority {} or more urgent work starts on it \
             (budget.quota_threshold)",
            self.agent,
            self.quota.describe(),
            self.quota.until,
            self.least
        )
    }
}

/// The quotas at or over the threshold, with their agents.
pub fn near_limit<'s>(state: &'s State, config: &Config) -> impl Iterator<Item = (&'s str, &'s Quota)> {
    let threshold = config.quota_threshold;
    let all = state.quotas.iter().flat_map(|(agent, quotas)| quotas.iter().map(move |quota| (agent.as_str(), quota)));
    all.filter(move |(_, quota)| threshold > 0 && quota.used >= threshold)
}

/// When those windows end.
pub(in crate::coordinator::step) fn resets(state: &State, config: &Config) -> impl Iterator<Item = Stamp> {
    near_limit(state, config).map(|(_, quota)| quota.until)
}

/// What keeps work of this priority from starting on these agents now.
pub(in crate::coordinator) fn withheld<'s>(
    state: &'s State,
    config: &Config,
    agents: &[String],
    priority: Priority,
    now: Stamp,
) -> Option<Withheld<'s>> {
    let least = config.quota_priority;
    // All ranks of one word are the same to people.
    if Priority::text(priority.word()) <= least {
        return None;
    }
    let of_these = near_limit(state, config).filter(|(agent, _)| agents.iter().any(|one| one == agent));
    let last = of_these.filter(|(_, quota)| quota.until > now).max_by_key(|(_, quota)| quota.until);
    last.map(|(agent, quota)| Withheld { agent, quota, least })
}

impl StepContext<'_> {
    /// Stores what agents report, and says once when less urgent work begins to wait for one.
    pub(in crate::coordinator::step) fn learn(&mut self, reported: Quotas) {
        let before: Vec<_> =
            near_limit(self.state, &self.config).map(|(agent, one)| (agent.to_owned(), one.window.clone())).collect();
        for (agent, quotas) in reported {
            let known = self.state.quotas.entry(agent).or_default();
            let (now, latest) = (self.now, self.now.plus(LONGEST));
            quotas
                .into_iter()
                .filter(|quota| quota.until > now && quota.until <= latest)
                .for_each(|quota| quota.add(known));
        }
        self.state.quotas.retain(|_, quotas| !quotas.is_empty());
        let least = self.config.quota_priority;
        let is_new = |agent: &str, one: &Quota| !before.iter().any(|(of, window)| of == agent && *window == one.window);
        let new = near_limit(self.state, &self.config).filter(|(agent, one)| is_new(agent, one));
        let said = new.map(|(agent, one)| {
            let (used, until) = (one.describe(), one.until);
            format!(
                "{agent} has used {used}; until {until} only work of priority {least} or more urgent work starts on it"
            )
        });
        for text in said.collect::<Vec<_>>() {
            self.say(None, text);
        }
    }

    /// Whether a job waits for the end of a window before its next attempt. Its claim is kept until then.
    pub(in crate::coordinator::step) fn waits_for_quota(&mut self, id: &str) -> bool {
        let Some(job) = self.state.job(id) else { return false };
        let found = withheld(self.state, &self.config, &job.work.agents, job.priority, self.now);
        let Some((until, why)) = found.map(|held| (held.quota.until, held.why())) else { return false };
        self.enter(id, Phase::Waiting { until });
        if self.state.job(id).is_some_and(|job| job.epoch.is_some()) {
            self.queue(Action::Keep { job: id.to_owned(), until });
        }
        self.say(Some(id.to_owned()), format!("waits: {why}"));
        true
    }

    /// Forgets what was reported of windows that have ended.
    pub(in crate::coordinator::step) fn forget_quotas(&mut self) {
        let now = self.now;
        let ended = near_limit(self.state, &self.config).any(|(_, quota)| quota.until <= now);
        self.state.volatile.observe_again |= ended;
        self.state.quotas.retain(|_, quotas| {
            quotas.retain(|quota| quota.until > now);
            !quotas.is_empty()
        });
    }

    /// A person wants the work done all the same: forgets the quotas that keep work waiting. Returns their agents.
    pub(in crate::coordinator::step) fn ignore_quotas(&mut self) -> Vec<String> {
        let near: Vec<_> =
            near_limit(self.state, &self.config).map(|(agent, one)| (agent.to_owned(), one.until)).collect();
        for job in &mut self.state.jobs {
            if let Phase::Waiting { until } = &mut job.phase
                && near.iter().any(|(agent, end)| end == until && job.work.agents.contains(agent))
            {
                *until = self.now;
            }
        }
        near.iter().for_each(|(agent, _)| drop(self.state.quotas.remove(agent)));
        near.into_iter().map(|(agent, _)| agent).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::state::input::{Command, Effect, Input, Offer, Reply, Seat, Snapshot};
    use crate::coordinator::state::{Word, Work};
    use crate::coordinator::{next_wake, step};

    const HOUR: Duration = Duration::from_secs(3600);

    /// A coordinator and the work that is open, all of it for claude.
    struct Play {
        state: State,
        now: Stamp,
        open: Vec<(&'static str, &'static str)>,
    }

    impl Play {
        fn new(open: &[(&'static str, &'static str)]) -> Play {
            let mut play = Play { state: State::new(), now: Stamp::from_unix(1_000_000), open: open.to_vec() };
            play.feed(Input::Started(Config::default()));
            play
        }

        /// Feeds an input, answers what comes of it, and returns what was said.
        fn feed(&mut self, input: Input) -> Vec<String> {
            let (mut effects, mut said) = (step(&mut self.state, input, self.now), Vec::new());
            while let Some(effect) = effects.pop() {
                let answer = match effect {
                    Effect::Observe { .. } => Input::Snapshot(self.snapshot()),
                    Effect::Do { id, action, .. } => Input::Reply { id, reply: self.reply(&action) },
                    Effect::Say { text, .. } => {
                        said.push(text);
                        continue;
                    }
                    _ => continue,
                };
                effects.extend(step(&mut self.state, answer, self.now));
            }
            said
        }

        fn reply(&self, action: &Action) -> Reply {
            let work = Work { agents: vec!["claude".into()], staged: true, ..Work::default() };
            match action {
                Action::Assign { .. } => Reply::Assigned { epoch: 1 },
                Action::Order { .. } => Reply::Ordered { path: "o".into(), work },
                _ => Reply::Done,
            }
        }

        fn snapshot(&self) -> Snapshot {
            let taken = |task: &str| self.state.jobs.iter().any(|job| job.task == task);
            let offer = |(task, priority): &(&str, &str)| Offer {
                paths: Vec::new(),
                task: (*task).into(),
                plan: None,
                step: None,
                title: String::new(),
                source: "backlog".into(),
                priority: Priority::text(priority),
                origin: None,
                seat: None,
                agents: vec!["claude".into()],
                why: String::new(),
            };
            let offers = self.open.iter().filter(|(task, _)| !taken(task)).map(offer).collect();
            let seats = (1..4).map(|n| Seat { id: format!("codex-{n}"), daily_limit: None, interactive: false });
            Snapshot { seq: self.state.volatile.results, offers, seats: seats.collect(), ..Snapshot::default() }
        }

        fn reports(&mut self, used: u8, until: Stamp) -> Vec<String> {
            let quota = Quota { window: "five_hour".into(), used, until };
            self.feed(Input::Quotas(Quotas::from([("claude".into(), vec![quota])])))
        }

        /// Lets time pass until something is due, `limit` at the latest.
        fn pass(&mut self, limit: Stamp) {
            while let Some(at) = next_wake(&self.state).filter(|at| *at <= limit) {
                self.now = at.max(self.now);
                self.feed(Input::Tick);
            }
            self.now = limit;
        }

        fn running(&self) -> Vec<&str> {
            self.state.jobs.iter().filter(|job| job.takes_a_slot()).map(|job| job.task.as_str()).collect()
        }
    }

    #[test]
    fn low_priority_work_waits_for_the_reset_of_a_quota_and_more_urgent_work_does_not() {
        let mut play = Play::new(&[]);
        let reset = play.now.plus(2 * HOUR);
        assert!(play.reports(89, reset).is_empty());
        let said = play.reports(93, reset);
        assert!(said[0].contains("claude has used 93 % of its 5-hour limit"), "{said:?}");
        assert!(play.reports(94, reset).is_empty(), "it is said once");
        play.open = vec![("LOW", "low"), ("MEDIUM", "medium"), ("HIGH", "high")];
        play.feed(Input::Woken);
        assert_eq!(play.running(), ["MEDIUM", "HIGH"]);
        let passed = &play.state.volatile.passed;
        assert!(
            passed.iter().any(|one| one.task == "LOW" && one.why.contains("94 % of its 5-hour limit")),
            "{passed:?}"
        );
        // The coordinator starts again meanwhile.
        play.state = State::from_bytes(&play.state.to_bytes()).unwrap();
        play.feed(Input::Started(Config::default()));
        play.pass(reset.minus(Duration::from_secs(1)));
        assert_eq!(play.running(), ["MEDIUM", "HIGH"]);
        play.pass(reset);
        assert_eq!((play.running(), play.state.quotas.len()), (vec!["MEDIUM", "HIGH", "LOW"], 0));
    }

    #[test]
    fn a_run_until_idle_waits_for_the_reset_and_says_until_when() {
        let mut play = Play::new(&[]);
        let reset = play.now.plus(2 * HOUR);
        play.reports(95, reset);
        play.open = vec![("LOW", "low")];
        let said = play.feed(Input::Started(Config { until_idle: true, ..Config::default() }));
        let until =
            format!("waiting until {reset} (in 2 h 0 min), then work continues (claude: 95 % of its 5-hour limit");
        assert!(said.iter().any(|text| text.starts_with(&until)), "{said:?}");
        assert!(play.state.volatile.config.is_some(), "it has not left");
        play.pass(reset);
        assert_eq!(play.running(), ["LOW"]);
    }

    #[test]
    fn a_job_that_waits_for_a_quota_goes_on_at_the_reset_or_when_a_person_says_so() {
        for asked in [false, true] {
            let mut play = Play::new(&[("LOW", "low")]);
            assert_eq!(play.running(), ["LOW"]);
            let reset = play.now.plus(5 * HOUR);
            play.reports(95, reset);
            assert_eq!(play.running(), ["LOW"], "what runs, goes on");
            let id = play.state.jobs[0].id.clone();
            play.state.jobs[0].phase = Phase::Waiting { until: play.now };
            let said = play.feed(Input::Tick);
            assert!(said.iter().any(|text| text.starts_with("waits: its agent claude")), "{said:?}");
            play.pass(reset.minus(HOUR));
            assert_eq!(play.state.job(&id).unwrap().phase, Phase::Waiting { until: reset });
            match asked {
                true => {
                    let at = play.now;
                    let word = Word { by: "ada".into(), recognised: Default::default(), at, note: None };
                    play.feed(Input::Command { id: "c".into(), word, command: Command::Resume { task: None } });
                }
                false => play.pass(reset),
            }
            assert_eq!(play.running(), ["LOW"], "asked: {asked}");
        }
    }
}
