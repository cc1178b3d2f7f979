//! Handles operator commands.

use super::context::StepContext;
use crate::base::names::{self, slug_of};
use crate::coordinator::state::input::{Action, Command, Decision, Effect, How};
use crate::coordinator::state::submission::Submission;
use crate::coordinator::state::{Ending, Job, Phase, Wish, Word};
use crate::model::run::job_name::is_called;
use crate::model::run::outcome::Verdict;

/// How many applied commands are stored.
const HANDLED: usize = 500;
/// How many tasks operators may have skipped or reassigned at the same time.
const WORDS: usize = 1000;

impl StepContext<'_> {
    pub(in crate::coordinator) fn command(&mut self, id: String, word: Word, command: Command) {
        if self.state.handled.contains(&id) {
            // It took effect before a crash; only its file remained.
            self.out.push(Effect::Answer { command: id, ok: true, text: "already applied".into() });
            return;
        }
        self.state.handled.push_back(id.clone());
        if self.state.handled.len() > HANDLED {
            self.state.handled.pop_front();
        }
        let (name, target) = (name(&command), target(&command));
        let said = word.clone();
        let (ok, text) = match self.execute(word, command) {
            Ok(text) => (true, text),
            Err(text) => (false, text),
        };
        if ok {
            self.log_command(name, target, &said, &text);
        }
        self.state.volatile.observe_again = true;
        self.poll_after(self.config.poll_min);
        self.out.push(Effect::Answer { command: id, ok, text });
    }

    fn execute(&mut self, word: Word, command: Command) -> Result<String, String> {
        match command {
            Command::Submit { task, plan, step, priority } => {
                self.submit(Submission { task, plan, step, priority, word })
            }
            Command::Pause => {
                self.state.paused = Some(word);
                Ok("no new job starts until you resume; running jobs continue".into())
            }
            Command::PauseJob { target } => self.pause_job(&target, word),
            Command::Resume { task: None } => self.resume(),
            Command::Resume { task: Some(task) } if self.resume_job(&task) => Ok(format!("{task} goes on")),
            Command::Resume { task: Some(task) } => match self.state.skips.remove(&task) {
                Some(_) => Ok(format!("{task} is no longer skipped")),
                None => {
                    let skipped = || self.state.skips.keys().map(String::as_str);
                    let meant = names::did_you_mean(&task, skipped());
                    let first: Vec<_> = skipped().take(5).collect();
                    Err(match (meant.is_empty(), first.is_empty()) {
                        (false, _) => format!("{task} was not skipped{meant}"),
                        (true, false) => format!("{task} was not skipped (skipped: {})", first.join(", ")),
                        (true, true) => format!("{task} was not skipped; no task is skipped"),
                    })
                }
            },
            Command::Cancel { target, now } => self.cancel(&target, word, now),
            Command::Reassign { target, to } => self.reassign(&target, to, word),
            Command::Skip { task } => {
                room(self.state.skips.len())?;
                self.state.submissions.retain(|submission| !submission.is_called(&task));
                self.state.skips.insert(task.clone(), word);
                Ok(format!("{task} is skipped until you resume or submit it"))
            }
            Command::Stop { now } => {
                self.end(if now { How::Now } else { How::Stage });
                Ok(match now {
                    true => "the coordinator stops its workers now, then itself".into(),
                    false => "the coordinator stops after the current stage of each worker; at once: teof coordinator \
                              stop --now"
                        .into(),
                })
            }
            Command::Reviewed { job, run, word: said } => self.reviewed(&job, &run, said, &word),
            Command::Answer { target, text } => self.answer(&target, text),
            Command::ResetBreaker => match self.state.breaker.open.take() {
                Some(trip) => {
                    self.state.breaker.failures_in_a_row = 0;
                    self.state.volatile.over_budget = false;
                    Ok(format!("the breaker is closed; it was open because {}", trip.reason))
                }
                None => Err("the breaker is not open".into()),
            },
        }
    }

    /// Stops one job after its stage, and keeps it there.
    fn pause_job(&mut self, target: &str, word: Word) -> Result<String, String> {
        let job = self.state.find_live(target)?;
        let (id, short) = (job.id.clone(), job.short());
        if job.paused.is_some() {
            return Err(format!("{short} is paused already"));
        }
        if job.is_under_review() || job.asks() {
            return Err(format!("{short} does not work now: {}", job.phase.label()));
        }
        let works = job.takes_a_slot();
        if let Some(job) = self.job_mut(&id) {
            job.paused = Some(word);
        }
        Ok(match works {
            true => format!("{short} stops after its current stage, until you resume it"),
            false => format!("{short} does not start again until you resume it"),
        })
    }

    /// Ends the pause of a job; false when no paused job has this name.
    fn resume_job(&mut self, name: &str) -> bool {
        let paused =
            self.state.jobs.iter_mut().find(|job| job.paused.is_some() && !job.is_over() && job.is_called(name));
        paused.is_some_and(|job| job.paused.take().is_some())
    }

    /// Ends a pause and the suspensions of agents: a person overrides the time that an agent named.
    fn resume(&mut self) -> Result<String, String> {
        let paused = self.state.paused.take().is_some();
        let mut agents: Vec<String> = std::mem::take(&mut self.state.suspended).into_keys().collect();
        agents.extend(self.ignore_quotas());
        agents.sort();
        agents.dedup();
        // The person has fixed the cause, so the waits start over.
        self.state.outages.clear();
        let now = self.now;
        for job in &mut self.state.jobs {
            let rests = job.last.as_ref().is_some_and(|last| last.verdict == Some(Verdict::Paused));
            if rests && job.work.agents.iter().any(|agent| agents.contains(agent)) {
                job.phase = match job.phase.clone() {
                    Phase::Waiting { until } => Phase::Waiting { until: until.min(now) },
                    other => other,
                };
            }
        }
        let called = format!("no longer suspended: {}", agents.join(", "));
        match (paused, agents.is_empty()) {
            (true, true) => Ok("new jobs start again".into()),
            (true, false) => Ok(format!("new jobs start again; {called}")),
            (false, false) => Ok(called),
            (false, true) => Err("the coordinator is not paused, and no agent is suspended".into()),
        }
    }

    fn submit(&mut self, submission: Submission) -> Result<String, String> {
        self.state.check_submission(&submission, self.config.queue)?;
        let task = submission.task.clone();
        let (plan, step) = (submission.plan.clone(), submission.step.clone());
        let urgency = submission.priority.map(|priority| format!(", priority {priority}")).unwrap_or_default();
        self.state.skips.retain(|name, _| !is_called(name, &task, plan.as_deref(), step.as_deref()));
        self.state.cooling.retain(|other, _| !submission.is_called(other));
        self.state.submissions.push_back(submission);
        Ok(format!("{task} is queued as number {}{urgency}", self.state.submissions.len()))
    }

    fn cancel(&mut self, target: &str, word: Word, now: bool) -> Result<String, String> {
        room(self.state.skips.len())?;
        // A job that has ended names its task, which may be queued again.
        let ended = self.state.find(target).ok().filter(|job| job.is_over()).map(|job| job.task.clone());
        let is_meant = |one: &Submission| {
            let is_slug = one.plan.as_deref().and_then(slug_of) == Some(target);
            is_slug || one.is_called(target) || ended.as_ref().is_some_and(|task| one.is_called(task))
        };
        let queued: Vec<_> = self.state.submissions.iter().filter(|one| is_meant(one)).cloned().collect();
        self.state.submissions.retain(|submission| !queued.contains(submission));
        let job = match (self.state.find_live(target), queued.first()) {
            (Ok(job), None) => job,
            (Ok(job), Some(_)) if job.is_called(target) => job,
            (Err(why), None) => {
                let found = self.state.find(target).ok();
                let blocked = found.filter(|job| job.label() == Ending::Blocked.as_str());
                return Err(match why.split_once("; ") {
                    Some((what, next)) => {
                        let dismiss =
                            |job: &Job| format!("to dismiss it: teof review reject {} --note \"...\"", job.short());
                        let next = blocked.map_or(next.to_owned(), dismiss);
                        format!("{what}, and its task is not queued; {next}")
                    }
                    None => format!("{why}, and no such task is queued"),
                });
            }
            (_, Some(first)) => {
                // Its plan stays and would otherwise be chosen.
                let task = first.task.clone();
                self.state.skips.insert(task.clone(), word);
                return Ok(format!("{task} was removed from the queue; it is skipped until you resume or submit it"));
            }
        };
        let (id, shown, task) = (job.id.clone(), job.short(), job.task.clone());
        let works = matches!(job.phase, Phase::Running { .. } | Phase::Spawning);
        let was_cancelled = job.wish.as_ref().is_some_and(|wish| wish.to.is_none());
        self.wish(&id, Wish { word: word.clone(), to: None, now });
        self.state.skips.insert(task.clone(), word);
        let stops = match (works, now, was_cancelled) {
            (false, ..) => format!("{shown} is cancelled"),
            (true, true, _) => format!("{shown} stops now"),
            (true, false, false) => format!("{shown} stops after its current stage (at once: --now)"),
            (true, false, true) => format!("{shown} is stopping already, after its current stage (at once: --now)"),
        };
        Ok(format!("{stops}; {task} is skipped until you resume or submit it"))
    }

    fn reassign(&mut self, target: &str, to: String, word: Word) -> Result<String, String> {
        if self.state.volatile.seen.as_ref().is_some_and(|seen| !seen.is_worker(&to)) {
            return Err(format!("{to} is not a worker seat"));
        }
        room(self.state.reassigned.len())?;
        let Ok(job) = self.state.find_live(target) else {
            self.state.reassigned.insert(target.to_owned(), to.clone());
            return Ok(format!("{target} is assigned to {to} when it starts"));
        };
        if job.seat == to {
            return Err(format!("{} is already assigned to {to}", job.task));
        }
        let (id, shown, task) = (job.id.clone(), job.short(), job.task.clone());
        self.wish(&id, Wish { word, to: Some(to.clone()), now: false });
        self.state.reassigned.insert(task.clone(), to.clone());
        Ok(format!("{shown} stops after its current stage; then {task} is assigned to {to}"))
    }

    fn wish(&mut self, id: &str, wish: Wish) {
        if let Some(job) = self.state.jobs.iter_mut().find(|job| job.id == id) {
            job.wish = Some(wish);
        }
    }

    fn log_command(&mut self, name: &str, task: Option<String>, word: &Word, text: &str) {
        let by = &word.by;
        self.say(None, format!("{name} by {by}: {text}"));
        let note = word.note.as_ref().map(|note| format!(" (note: {note})")).unwrap_or_default();
        self.queue(Action::Decide(Decision {
            decision: name.to_owned(),
            job: None,
            task,
            seat: None,
            why: format!("{by}: {text}{note}"),
            recognised: Some(word.recognised),
            skipped: Vec::new(),
            more: 0,
        }));
    }
}

fn room(used: usize) -> Result<(), String> {
    match used < WORDS {
        true => Ok(()),
        false => Err(format!("{WORDS} tasks are already skipped or reassigned; resume some first")),
    }
}

/// The task, plan or job that a command is about.
fn target(command: &Command) -> Option<String> {
    match command {
        Command::Submit { task, .. } | Command::Skip { task } => Some(task.clone()),
        Command::Cancel { target, .. }
        | Command::Reassign { target, .. }
        | Command::PauseJob { target }
        | Command::Answer { target, .. } => Some(target.clone()),
        Command::Resume { task } => task.clone(),
        Command::Pause | Command::Stop { .. } | Command::ResetBreaker | Command::Reviewed { .. } => None,
    }
}

fn name(command: &Command) -> &'static str {
    match command {
        Command::Submit { .. } => "submit",
        Command::Pause => "pause",
        Command::PauseJob { .. } => "pause-job",
        Command::Resume { .. } => "resume",
        Command::Cancel { .. } => "cancel",
        Command::Reassign { .. } => "reassign",
        Command::Skip { .. } => "skip",
        Command::Stop { .. } => "stop",
        Command::ResetBreaker => "reset-breaker",
        Command::Answer { .. } => "answer",
        Command::Reviewed { .. } => "reviewed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::Suspension;
    use crate::coordinator::state::input::{Seat, Snapshot};
    use crate::coordinator::{Config, Input, State, step};

    fn say(state: &mut State, id: &str, command: Command) -> (bool, String) {
        let word = Word { by: "ada".into(), recognised: Default::default(), at: Stamp::from_unix(0), note: None };
        let effects = step(state, Input::Command { id: id.into(), word, command }, Stamp::from_unix(0));
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { ok, text, .. } => Some((ok, text)),
            _ => None,
        });
        answer.expect("every command is answered")
    }

    fn begun() -> State {
        let mut state = State::new();
        step(&mut state, Input::Started(Config::default()), Stamp::from_unix(0));
        state
    }

    #[test]
    fn ten_submissions_wait_and_the_eleventh_is_refused() {
        let mut state = begun();
        let submit = |n| Command::Submit { task: format!("A-{n}"), plan: None, step: None, priority: None };
        for n in 0..10 {
            assert!(say(&mut state, &format!("c{n}"), submit(n)).0);
        }
        assert!(!say(&mut state, "again", submit(3)).0);
        let (ok, text) = say(&mut state, "c10", submit(10));
        assert!(!ok && text.contains("full"), "{text}");
        assert!(say(&mut state, "cancel", Command::Cancel { target: "A-3".into(), now: false }).0);
        assert!(say(&mut state, "c11", submit(10)).0);
    }

    #[test]
    fn one_piece_of_work_is_queued_once_and_cancelled_under_any_of_its_names() {
        let submit = |task: &str, plan: Option<&str>, step: Option<&str>| Command::Submit {
            task: task.into(),
            plan: plan.map(str::to_owned),
            step: step.map(str::to_owned),
            priority: None,
        };
        let mut state = begun();
        assert!(say(&mut state, "a", submit("p", Some("p"), Some("S1"))).0);
        for (id, again) in [
            ("b", submit("p-S1", Some("p"), Some("S1"))),
            ("c", submit("ND-1", Some("p"), None)),
            ("d", submit("p", Some("p"), None)),
        ] {
            let (ok, text) = say(&mut state, id, again);
            assert!(!ok && text.contains("already queued"), "{text}");
        }
        assert!(say(&mut state, "e", submit("p-S2", Some("p"), Some("S2"))).0, "another step is other work");
        for (n, target) in ["p/S2", "p-S1"].into_iter().enumerate() {
            let (ok, text) = say(&mut state, &format!("f{n}"), Command::Cancel { target: target.into(), now: false });
            assert!(ok && text.contains("removed from the queue"), "{target}: {text}");
        }
        assert!(state.submissions.is_empty() && state.skips.contains_key("p"), "and it is not chosen from its source");
        assert!(say(&mut state, "g", submit("p-S1", Some("p"), Some("S1"))).0);
        assert!(!state.skips.contains_key("p"), "what is submitted is not skipped: {:?}", state.skips);
    }

    #[test]
    fn cancel_says_when_a_job_stops_and_finds_work_by_the_name_of_its_ended_job() {
        let mut state = begun();
        let mut job: Job = serde_json::from_value(serde_json::json!({
            "id": "20260105T120000Z-6", "task": "minus", "plan": "2026-01-05-minus", "step": "S1", "origin": null,
            "title": "t", "source": "plan", "seat": "a", "phase": {"is": "over", "ending": "blocked", "at":
            "2026-01-05T12:00:00Z"}, "epoch": null, "order": null, "run": 1, "failures": 0, "interruptions": 0,
            "wish": null, "last": null, "chosen_at": "2026-01-05T12:00:00Z",
        }))
        .unwrap();
        state.jobs.push(job.clone());
        let cancel = |target: &str, now| Command::Cancel { target: target.into(), now };
        let (ok, text) = say(&mut state, "a", cancel("j6", false));
        assert_eq!(
            (ok, text.as_str()),
            (
                false,
                "j6 has ended (blocked), and its task is not queued; to dismiss it: teof review reject j6 --note \"...\""
            )
        );
        // Queued again, it is taken back by any of its names: its job's, or its plan's without the date.
        for (n, name) in ["j6", "minus", "2026-01-05-minus/S1"].into_iter().enumerate() {
            let submit = Command::Submit {
                task: "minus".into(),
                plan: job.plan.clone(),
                step: job.step.clone(),
                priority: None,
            };
            assert!(say(&mut state, &format!("s{n}"), submit).0);
            let (ok, text) = say(&mut state, &format!("c{n}"), cancel(name, false));
            assert!(
                ok && text.starts_with("minus was removed from the queue") && state.submissions.is_empty(),
                "{text}"
            );
        }
        job.phase = Phase::Running { since: Stamp::from_unix(0) };
        job.id = "20260105T120000Z-7".into();
        state.jobs.push(job);
        for (id, now, stops) in [
            ("d", false, "j7 stops after its current stage (at once: --now)"),
            ("e", false, "j7 is stopping already, after its current stage (at once: --now)"),
            ("f", true, "j7 stops now"),
        ] {
            let (ok, text) = say(&mut state, id, cancel("j7", now));
            assert!(ok && text.starts_with(stops), "{text}");
        }
        let told = [false, true].map(|now| say(&mut state, &format!("stop {now}"), Command::Stop { now }).1);
        assert!(told[0].contains("after the current stage") && told[1].contains("stops its workers now"), "{told:?}");
    }

    #[test]
    fn operator_notes_are_in_the_decision_log() {
        let mut state = begun();
        let word = Word {
            by: "ada".into(),
            recognised: Default::default(),
            at: Stamp::from_unix(0),
            note: Some("not today".into()),
        };
        let command = Command::Skip { task: "A".into() };
        step(&mut state, Input::Command { id: "x".into(), word, command }, Stamp::from_unix(0));
        let logged = state.pending.iter().find_map(|pending| match &pending.action {
            Action::Decide(decision) => Some((decision.task.clone(), decision.why.clone())),
            _ => None,
        });
        let (task, why) = logged.unwrap();
        assert!(task.as_deref() == Some("A") && why.contains("not today"), "{why}");
    }

    #[test]
    fn work_is_reassigned_to_seats_that_work_and_to_those_that_the_coordinator_makes() {
        let mut state = begun();
        let seats = vec![Seat { id: "codex-1".into(), daily_limit: None, interactive: false }];
        // A manifest makes `worker-3` a reviewer.
        let seat_names = ["codex-1", "worker-3"].map(str::to_owned).into();
        let snapshot = Snapshot { seats, seat_names, ..Snapshot::default() };
        step(&mut state, Input::Snapshot(snapshot), Stamp::from_unix(0));
        for (to, is_worker) in [("codex-1", true), ("worker-2", true), ("worker-3", false), ("codex-9", false)] {
            let (ok, text) = say(&mut state, to, Command::Reassign { target: "A".into(), to: to.into() });
            assert_eq!(ok, is_worker, "{text}");
        }
    }

    #[test]
    fn resume_lifts_the_suspensions_of_agents() {
        let mut state = begun();
        assert!(!say(&mut state, "a", Command::Resume { task: None }).0);
        let suspension = Suspension { until: Stamp::from_unix(9_000_000), reason: "limit".into() };
        state.suspended.insert("claude".into(), suspension);
        let (ok, text) = say(&mut state, "b", Command::Resume { task: None });
        assert!(ok && text.contains("claude") && state.suspended.is_empty(), "{text}");
    }

    #[test]
    fn a_repeated_command_has_no_effect() {
        let mut state = begun();
        assert!(say(&mut state, "c", Command::Pause).0);
        assert!(say(&mut state, "d", Command::Resume { task: None }).0);
        assert_eq!(say(&mut state, "c", Command::Pause).1, "already applied");
        assert_eq!(state.paused, None);
    }
}
