//! Prints what happens to one piece of work while it is done: the job's phase, and the stages of its worker.

use std::collections::HashSet;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::base::text;
use crate::base::time::duration;
use crate::cli::support::terminal::{Meaning, Times, paint, progress, style};
use crate::coordinator::state::{Ending, Job, Phase, State, store};
use crate::coordinator::worker_log::{LogTail, Said, said};
use crate::hub::Hub;
use crate::model::run::outcome::Verdict;

/// How often the state and the worker's log are read.
const EVERY: Duration = Duration::from_millis(200);

/// What comes sooner is told to the second.
const SOON: Duration = Duration::from_secs(600);
/// When a person is told why nothing is asked although the job has ended.
const PATIENCE: Duration = Duration::from_secs(2);
/// The width of the verbs.
const VERB: usize = 10;

/// Prints progress of the work `name` until `stop` closes, after what `printed` knows.
pub fn follow(hub: &Hub, name: &str, mut printed: Printed, stop: &Receiver<()>) {
    loop {
        let is_last = stop.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
        if let Some((state, job)) = store::load(hub).ok().and_then(|state| newest(&state, name).map(|job| (state, job)))
        {
            printed.show(&job, Times::on_stderr(hub.now()));
            if !is_last {
                printed.say_others(&state, &job);
            }
        }
        if is_last {
            return;
        }
    }
}

fn newest(state: &State, name: &str) -> Option<Job> {
    state.jobs.iter().rev().find(|job| job.is_called(name)).cloned()
}

/// What was printed so far.
pub struct Printed {
    phase: String,
    /// The job whose stages these are.
    job: String,
    /// The stages that were told to begin.
    stages: HashSet<String>,
    log: LogTail,
    began: Instant,
    /// Since when the job needs a person or is over, and whether it was told what else is waited for.
    settled: Option<(Instant, bool)>,
}

impl Printed {
    /// Before the work starts, or goes on: what its worker said until then is not printed again.
    pub fn so_far(hub: &Hub, name: &str) -> Printed {
        let mut log = LogTail::new(hub, "");
        let job = store::load(hub).ok().and_then(|state| newest(&state, name));
        let known = job.filter(|job| !job.takes_a_slot());
        if let Some(job) = &known {
            log = LogTail::new(hub, &newest_run(job));
        }
        let old = if log.run().is_empty() { Vec::new() } else { log.new_lines() };
        let stage = |line: &String| if let Said::Stage(stage) = said(line) { Some(stage.to_owned()) } else { None };
        let stages = old.iter().filter_map(stage).collect();
        let job = known.map(|job| job.id).unwrap_or_default();
        Printed { phase: String::new(), job, stages, log, began: Instant::now(), settled: None }
    }

    /// Says once which other jobs keep the coordinator, whose workers an earlier one started.
    fn say_others(&mut self, state: &State, job: &Job) {
        if !job.is_over() && !job.is_under_review() && !job.asks() {
            self.settled = None;
            return;
        }
        let (since, is_told) = *self.settled.get_or_insert((Instant::now(), false));
        let others: Vec<_> = state.jobs.iter().filter(|other| other.takes_a_slot()).map(Job::short).collect();
        if is_told || others.is_empty() || since.elapsed() < PATIENCE {
            return;
        }
        self.settled = Some((since, true));
        let (others, works) = (others.join(", "), if others.len() == 1 { "works" } else { "work" });
        let command = match job.asks() {
            true => format!("teof coordinator answer {} \"...\"", job.short()),
            false => format!("teof review {}", job.short()),
        };
        let meanwhile = if job.is_over() { String::new() } else { format!("; to go on meanwhile: {command}") };
        self.print(Meaning::Quiet, "Waiting", &format!("for {others}, which still {works}{meanwhile}"));
    }

    fn show(&mut self, job: &Job, times: Times) {
        if self.job != job.id {
            // No stage of a new job goes on.
            self.job.clone_from(&job.id);
            self.stages.clear();
        }
        let run = newest_run(job);
        // A short run may be over before it is seen to run.
        let has_started = !matches!(job.phase, Phase::Assigning | Phase::Ordering | Phase::Spawning);
        if self.log.run() != run && has_started {
            let rest = self.log.switch_to(&run);
            self.print_log(&rest);
            let detail = format!("{} {} with seat {}", job.short(), job.title, job.seat);
            self.print(Meaning::Active, "Starting", &detail);
        }
        // A worker's last lines come before what became of it.
        let news = self.log.new_lines();
        self.print_log(&news);
        if let Some((meaning, verb, detail)) = phase(job, times) {
            let now = format!("{verb} {detail}");
            if self.phase != now {
                self.phase = now;
                self.print(meaning, verb, &detail);
            }
        }
    }

    fn print_log(&mut self, lines: &[String]) {
        for line in lines {
            match said(line) {
                Said::Stage(stage) => match stage.strip_prefix("moved ") {
                    Some(moved) => self.print(Meaning::Good, "Moved", moved),
                    None => {
                        // After an answer or a pause the same stage goes on.
                        let verb = if self.stages.insert(stage.to_owned()) { "Running" } else { "Continuing" };
                        self.print(Meaning::Active, verb, stage);
                    }
                },
                Said::Passed(outcome) => self.print(Meaning::Good, "Passed", outcome.trim_end_matches(" passed")),
                Said::SentBack(outcome) => self.print(Meaning::Attention, "Sent back", outcome),
                Said::Finished(time) => self.print(Meaning::Good, "Finished", time),
                Said::Detail(detail) => self.print(Meaning::Quiet, "", detail),
                Said::RawOutput | Said::Other => {}
            }
        }
    }

    fn print(&self, meaning: Meaning, verb: &str, detail: &str) {
        let spent = duration(self.began.elapsed());
        let detail = text::clip(&text::safe(detail), 200);
        let line = format!(
            "{} {detail} {}",
            paint(meaning, format!("{verb:>VERB$}")),
            paint(Meaning::Quiet, format!("({spent})"))
        );
        let _line = progress::clear();
        let line = style::wrap(&line, style::columns_of_stderr(), VERB + 1);
        let _ = writeln!(std::io::stderr(), "{}", style::for_stderr(&line));
    }
}

/// The run that has something to say: while a job waits for its next one, the one that ended.
fn newest_run(job: &Job) -> String {
    let ended = job.last.as_ref().filter(|_| matches!(job.phase, Phase::Waiting { .. } | Phase::Held));
    ended.map_or_else(|| job.run_id(), |last| last.run.clone())
}

/// A job's phase as a verb and a detail; `None` where the worker's log tells more.
fn phase(job: &Job, times: Times) -> Option<(Meaning, &'static str, String)> {
    let reason = || job.last.as_ref().map(|last| last.reason.clone()).unwrap_or_default();
    Some(match &job.phase {
        // Work that was sent back goes on at once.
        Phase::Waiting { .. }
            if job.rework.is_some()
                && job.last.as_ref().is_some_and(|last| last.verdict == Some(Verdict::Succeeded)) =>
        {
            return None;
        }
        Phase::Waiting { until } => {
            // Often half a minute.
            let is_soon = times.until(*until) < SOON;
            let at = if is_soon { times.clock(*until) } else { times.at(*until) };
            (Meaning::Quiet, "Waiting", format!("and trying again at {at}: {}", reason()))
        }
        Phase::Held => (Meaning::Attention, "Stopped", reason().trim_start_matches("stopped ").to_owned()),
        Phase::Question { .. } => (Meaning::Attention, "Asking", job.title.clone()),
        Phase::Review { .. } => (Meaning::Good, "Finished", job.title.clone()),
        Phase::Over { ending, .. } => {
            let meaning = if *ending == Ending::Done { Meaning::Good } else { Meaning::Bad };
            (meaning, "Finished", format!("{}: {}", job.title, ending.as_str()))
        }
        Phase::Running { .. } | Phase::Assigning | Phase::Ordering | Phase::Spawning | Phase::Finalizing { .. } => {
            return None;
        }
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_job_that_waits_for_its_retry_has_not_started_it() {
        let job = |run: u32, phase: serde_json::Value| -> Job {
            serde_json::from_value(json!({
                "id": "20260105T120000Z-1", "task": "t", "plan": null, "step": null, "origin": null, "title": "t",
                "source": "plan", "seat": "a", "phase": phase, "epoch": 1, "order": null, "run": run, "failures": 1,
                "interruptions": 0, "wish": null, "chosen_at": "2026-01-05T12:00:00Z",
                "last": {"run": "20260105T120000Z-1.1", "verdict": "failed", "reason": "exit code 1"},
            }))
            .unwrap()
        };
        let waits = job(2, json!({"is": "waiting", "until": "2026-01-05T12:00:30Z"}));
        assert_eq!(newest_run(&waits), "20260105T120000Z-1.1");
        let runs = job(2, json!({"is": "running", "since": "2026-01-05T12:00:30Z"}));
        assert_eq!(newest_run(&runs), "20260105T120000Z-1.2");
    }
}
