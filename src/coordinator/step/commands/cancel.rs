//! Cancels, skips and reassigns work.

use crate::base::names::slug_of;
use crate::coordinator::state::submission::Submission;
use crate::coordinator::state::{Ending, Job, Phase, Wish, Word};
use crate::coordinator::step::context::StepContext;

/// How many tasks operators may have skipped or reassigned at the same time.
const WORDS: usize = 1000;

impl StepContext<'_> {
    /// Takes a task from the queue and keeps it from being chosen. Its job, if it has one, goes on.
    pub(super) fn skip(&mut self, task: String, word: Word) -> Result<String, String> {
        room(self.state.skips.len())?;
        self.state.submissions.retain(|submission| !submission.is_called(&task));
        self.state.skips.insert(task.clone(), word);
        let until = "until you resume or submit it";
        Ok(match self.state.find_live(&task) {
            Ok(job) => {
                let short = job.short();
                format!(
                    "{short} goes on, and {task} is not started again after it {until}; to stop the job: teof coordinator \
                     cancel {short}"
                )
            }
            Err(_) => format!("{task} is skipped {until}"),
        })
    }

    pub(super) fn cancel(&mut self, target: &str, word: Word, now: bool) -> Result<String, String> {
        let has_room = room(self.state.skips.len());
        // A job that has ended names its task, which may be queued again.
        let ended = self.state.find(target).ok().filter(|job| job.is_over()).map(|job| job.task.clone());
        let is_meant = |one: &Submission| {
            let is_slug = one.plan.as_deref().and_then(slug_of) == Some(target);
            is_slug || one.is_called(target) || ended.as_ref().is_some_and(|task| one.is_called(task))
        };
        let queued: Vec<_> = self.state.submissions.iter().filter(|one| is_meant(one)).cloned().collect();
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
                has_room?;
                self.state.submissions.retain(|submission| !queued.contains(submission));
                self.state.skips.insert(task.clone(), word);
                return Ok(format!("{task} was removed from the queue; it is skipped until you resume or submit it"));
            }
        };
        let (id, shown, task) = (job.id.clone(), job.short(), job.task.clone());
        let works = matches!(job.phase, Phase::Running { .. } | Phase::Spawning);
        let earlier = job.wish.as_ref().filter(|wish| wish.to.is_none()).map(|wish| wish.now);
        // What was to stop at once goes on doing so.
        self.wish(&id, Wish { word: word.clone(), to: None, now: now || earlier == Some(true) });
        self.state.submissions.retain(|submission| !queued.contains(submission));
        // A job can always be stopped.
        let is_skipped = has_room.is_ok() || self.state.skips.contains_key(&task);
        if is_skipped {
            self.state.skips.insert(task.clone(), word);
        }
        let stops = match (works, now, earlier) {
            (false, ..) => format!("{shown} is cancelled"),
            (true, _, Some(true)) => format!("{shown} is stopping already, at once"),
            (true, true, _) => format!("{shown} stops now"),
            (true, false, None) => format!("{shown} stops after its current stage (at once: --now)"),
            (true, false, Some(false)) => {
                format!("{shown} is stopping already, after its current stage (at once: --now)")
            }
        };
        Ok(match is_skipped {
            true => format!("{stops}; {task} is skipped until you resume or submit it"),
            false => {
                format!("{stops}; {WORDS} tasks are skipped already, so {task} may start again; resume some of them")
            }
        })
    }

    pub(super) fn reassign(&mut self, target: &str, to: String, word: Word) -> Result<String, String> {
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
}

fn room(used: usize) -> Result<(), String> {
    match used < WORDS {
        true => Ok(()),
        false => Err(format!("{WORDS} tasks are already skipped or reassigned; resume some first")),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{begun, say};
    use super::*;
    use crate::base::Stamp;
    use crate::coordinator::state::input::{Command, Seat, Snapshot};
    use crate::coordinator::{Input, step};

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
                is_new: false,
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
            ("g", false, "j7 is stopping already, at once"),
            ("h", true, "j7 is stopping already, at once"),
        ] {
            let (ok, text) = say(&mut state, id, cancel("j7", now));
            assert!(ok && text.starts_with(stops), "{text}");
        }
        let wish = state.find("j7").unwrap().wish.clone();
        assert!(wish.is_some_and(|wish| wish.now), "a second cancel does not take the first one's --now back");
        // A job can always be stopped, and what people skipped stays skipped.
        let word = state.skips["minus"].clone();
        state.skips.remove("minus");
        state.skips.extend((0..WORDS).map(|n| (format!("T-{n}"), word.clone())));
        let (ok, text) = say(&mut state, "full", cancel("j7", false));
        assert!(ok && text.contains("minus may start again") && state.skips.len() == WORDS, "{text}");
        let queued = Command::Submit { task: "Q-1".into(), plan: None, step: None, priority: None, is_new: false };
        assert!(say(&mut state, "q", queued).0);
        let (ok, text) = say(&mut state, "queued", cancel("Q-1", false));
        assert!(!ok && text.contains("already skipped") && state.submissions.len() == 1, "{text}");
        state.skips.clear();
        let (ok, text) = say(&mut state, "skip", Command::Skip { task: "minus".into() });
        assert!(ok && text.starts_with("j7 goes on, and minus is not started again after it"), "{text}");
        let told = [false, true].map(|now| say(&mut state, &format!("stop {now}"), Command::Stop { now }).1);
        assert!(told[0].contains("after the current stage") && told[1].contains("stops its workers now"), "{told:?}");
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
}
