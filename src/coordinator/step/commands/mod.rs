//! Handles operator commands.

mod cancel;
mod pause;

use crate::base::names;
use crate::coordinator::state::Word;
use crate::coordinator::state::input::{Action, Command, Decision, Effect, How};
use crate::coordinator::state::submission::Submission;
use crate::coordinator::step::context::StepContext;
use crate::model::run::job_name::is_called;

/// How many applied commands are stored.
const HANDLED: usize = 500;
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
            Command::Submit { task, plan, step, priority, is_new } => {
                let submission = Submission { task, plan, step, priority, word };
                match self.state.job_of(&submission).filter(|_| is_new) {
                    Some(job) => Ok(format!("{} has started as {}", submission.task, job.short())),
                    None => self.submit(submission),
                }
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
            Command::Skip { task } => self.skip(task, word),
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
pub(super) mod tests {
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::{Config, Input, State, step};

    pub(super) fn say(state: &mut State, id: &str, command: Command) -> (bool, String) {
        let word = Word { by: "ada".into(), recognised: Default::default(), at: Stamp::from_unix(0), note: None };
        let effects = step(state, Input::Command { id: id.into(), word, command }, Stamp::from_unix(0));
        let answer = effects.into_iter().find_map(|effect| match effect {
            Effect::Answer { ok, text, .. } => Some((ok, text)),
            _ => None,
        });
        answer.expect("every command is answered")
    }

    pub(super) fn begun() -> State {
        let mut state = State::new();
        step(&mut state, Input::Started(Config::default()), Stamp::from_unix(0));
        state
    }

    #[test]
    fn ten_submissions_wait_and_the_eleventh_is_refused() {
        let mut state = begun();
        let submit =
            |n| Command::Submit { task: format!("A-{n}"), plan: None, step: None, priority: None, is_new: false };
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
    fn a_new_plan_that_was_started_before_its_submission_arrived_is_no_refusal() {
        let mut state = begun();
        let job = serde_json::json!({
            "id": "20260105T120000Z-6", "task": "minus", "plan": "2026-01-05-minus", "step": "S1", "origin": null,
            "title": "t", "source": "plan", "seat": "a", "phase": {"is": "spawning"}, "epoch": null, "order": null,
            "run": 1, "failures": 0, "interruptions": 0, "wish": null, "last": null, "chosen_at": "2026-01-05T12:00:00Z",
        });
        state.jobs.push(serde_json::from_value(job).unwrap());
        let submit = |is_new| Command::Submit {
            task: "minus".into(),
            plan: Some("2026-01-05-minus".into()),
            step: Some("S1".into()),
            priority: None,
            is_new,
        };
        assert_eq!(say(&mut state, "a", submit(true)), (true, "minus has started as j6".to_owned()));
        assert_eq!(say(&mut state, "b", submit(false)), (false, "minus already has job j6".to_owned()));
        assert!(state.submissions.is_empty());
    }

    #[test]
    fn one_piece_of_work_is_queued_once_and_cancelled_under_any_of_its_names() {
        let submit = |task: &str, plan: Option<&str>, step: Option<&str>| Command::Submit {
            task: task.into(),
            plan: plan.map(str::to_owned),
            step: step.map(str::to_owned),
            priority: None,
            is_new: false,
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
    fn a_repeated_command_has_no_effect() {
        let mut state = begun();
        assert!(say(&mut state, "c", Command::Pause).0);
        assert!(say(&mut state, "d", Command::Resume { task: None }).0);
        assert_eq!(say(&mut state, "c", Command::Pause).1, "already applied");
        assert_eq!(state.paused, None);
    }
}
