//! Tells people of jobs that conflict, before more work goes into what cannot be merged together.

use super::context::StepContext;
use crate::coordinator::state::Job;
use crate::coordinator::state::input::{Action, Decision};
use crate::coordinator::state::trial::Trial;
use crate::hub::settings::notify::Topic;

impl StepContext<'_> {
    /// Takes the trial merges of an observation, and tells what is new about them.
    pub(in crate::coordinator) fn saw_trials(&mut self, trials: Vec<Trial>) {
        let before = self.pairs();
        self.state.trials = trials;
        let now = self.pairs();
        for (pair, text) in now.iter().filter(|(pair, _)| !before.iter().any(|(known, _)| known == pair)) {
            let newer = self.state.job(&pair[1]).cloned();
            self.say(Some(pair[1].clone()), text.clone());
            self.notify(Topic::Problem, Some(&pair[1]), text);
            self.queue(Action::Note { text: text.clone(), job: Some(pair[1].clone()), alert: true });
            self.queue(Action::Decide(Decision {
                decision: "conflict".into(),
                job: Some(pair[1].clone()),
                task: newer.as_ref().map(|job| job.task.clone()),
                seat: newer.map(|job| job.seat),
                why: text.clone(),
                recognised: None,
                skipped: Vec::new(),
                more: 0,
            }));
        }
        for ([other, id], _) in &before {
            // A pair that was not tried, or could not be, may still conflict.
            let is_clean = |trial: &Trial| !trial.failed && trial.files.is_empty();
            if self.state.trial(other, id).is_some_and(is_clean)
                && let (Some(older), Some(newer)) = (self.live(other), self.live(id))
            {
                let text = format!("{newer} no longer conflicts with {older}");
                self.say(Some(id.clone()), text);
            }
        }
    }

    /// Removes trial merges with jobs that are over.
    pub(in crate::coordinator) fn forget_trials(&mut self) {
        let state = &mut *self.state;
        let is_live = |id: &String| state.jobs.iter().any(|job| job.id == *id && !job.is_over());
        state.trials.retain(|trial| trial.jobs.iter().all(is_live));
    }

    /// The pairs of jobs whose trial merge failed, in words.
    fn pairs(&self) -> Vec<([String; 2], String)> {
        let certain = self.state.conflicts().into_iter().filter(|found| found.is_certain);
        certain.map(|found| (found.jobs.map(|job| job.id.clone()), found.describe())).collect()
    }

    fn live(&self, id: &str) -> Option<String> {
        self.state.job(id).filter(|job| !job.is_over()).map(Job::short)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::State;
    use crate::coordinator::state::input::{Effect, Input, Offer, Seat, Snapshot};
    use crate::coordinator::state::overlap::Conflict;
    use crate::coordinator::{Config, step};
    use crate::hub::settings::Overlap;

    fn offer(task: &str, paths: &[&str]) -> Offer {
        let paths = paths.iter().map(|path| (*path).to_owned()).collect();
        Offer { task: task.into(), source: "plan".into(), paths, ..Offer::default() }
    }

    fn world(overlap: Overlap) -> (State, Stamp) {
        let (mut state, now) = (State::new(), Stamp::from_unix(1_000_000));
        step(&mut state, Input::Started(Config { overlap, slots: 3, ..Config::default() }), now);
        (state, now)
    }

    fn observe(state: &mut State, offers: Vec<Offer>, trials: Option<Vec<Trial>>) -> Vec<Effect> {
        let seats = (0..3).map(|n| Seat { id: format!("codex-{n}"), daily_limit: None, interactive: false }).collect();
        let seq = state.volatile.results;
        step(
            state,
            Input::Snapshot(Snapshot { seq, offers, seats, trials, ..Snapshot::default() }),
            Stamp::from_unix(1_000_001),
        )
    }

    fn decided(effects: &[Effect], word: &str) -> Vec<Decision> {
        let of = |effect: &Effect| match effect {
            Effect::Do { action: Action::Decide(decision), .. } if decision.decision == word => Some(decision.clone()),
            _ => None,
        };
        effects.iter().filter_map(of).collect()
    }

    #[test]
    fn work_that_declares_the_paths_of_a_running_job_waits_where_the_settings_say_so() {
        let offers = || vec![offer("A-1", &["src/parser/"]), offer("A-2", &["src/**/*.rs"]), offer("A-3", &["docs/"])];
        let tasks = |state: &State| state.jobs.iter().map(|job| job.task.clone()).collect::<Vec<_>>();
        let (mut state, _) = world(Overlap::Wait);
        let effects = observe(&mut state, offers(), None);
        assert_eq!(tasks(&state), ["A-1", "A-3"]);
        let chosen = decided(&effects, "chose");
        let why = &chosen[1].skipped[0].why;
        assert_eq!(why, "waits for j1: both may change src/parser/");

        let (mut state, _) = world(Overlap::Warn);
        let effects = observe(&mut state, offers(), None);
        assert_eq!(tasks(&state), ["A-1", "A-2", "A-3"]);
        assert!(decided(&effects, "chose")[1].why.ends_with("may conflict with j1: both may change src/parser/"));
        assert_eq!(state.conflicts().len(), 1, "{:?}", state.conflicts());

        let (mut state, _) = world(Overlap::Off);
        let effects = observe(&mut state, offers(), None);
        assert_eq!(tasks(&state).len(), 3);
        assert!(!decided(&effects, "chose")[1].why.contains("conflict"));
        assert_eq!(state.conflicts(), []);
    }

    #[test]
    fn a_conflict_of_two_jobs_is_told_once_and_again_when_it_comes_back() {
        let (mut state, _) = world(Overlap::Warn);
        observe(&mut state, vec![offer("A-1", &[]), offer("A-2", &[])], None);
        let ids = [state.jobs[0].id.clone(), state.jobs[1].id.clone()];
        let trial = |files: &[&str]| {
            let files = files.iter().map(|file| (*file).to_owned()).collect();
            Some(vec![Trial { jobs: ids.clone(), commits: ["a".into(), "b".into()], files, ..Trial::default() }])
        };
        let told =
            |effects: Vec<Effect>| decided(&effects, "conflict").iter().map(|one| one.why.clone()).collect::<Vec<_>>();
        assert_eq!(told(observe(&mut state, vec![], trial(&["src/a.rs"]))), ["j2 conflicts with j1 in src/a.rs"]);
        assert_eq!(told(observe(&mut state, vec![], trial(&["src/a.rs", "b"]))), [] as [&str; 0]);
        assert_eq!(told(observe(&mut state, vec![], None)), [] as [&str; 0], "nobody looked");
        assert_eq!(state.conflicts()[0].paths.len(), 2);
        let ended = |effects: Vec<Effect>| {
            let is_end = |effect: &Effect| matches!(effect, Effect::Say { text, .. } if text.contains("no longer"));
            effects.iter().any(is_end)
        };
        assert!(ended(observe(&mut state, vec![], trial(&[]))));
        assert_eq!(told(observe(&mut state, vec![], trial(&["src/a.rs"]))).len(), 1);
        // A merge that could not be tried says nothing, neither that they conflict nor that they do not.
        let failed = trial(&[]).map(|all| all.into_iter().map(|one| Trial { failed: true, ..one }).collect());
        for unknown in [failed, Some(vec![])] {
            observe(&mut state, vec![], trial(&["src/a.rs"]));
            assert!(!ended(observe(&mut state, vec![], unknown)));
            assert_eq!(state.conflicts(), []);
            state.jobs.iter_mut().for_each(|job| job.paths = vec!["src/".into()]);
            assert!(matches!(state.conflicts()[..], [Conflict { is_certain: false, .. }]), "as both declare");
            state.jobs.iter_mut().for_each(|job| job.paths.clear());
        }
    }
}
