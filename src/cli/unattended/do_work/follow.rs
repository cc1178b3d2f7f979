//! Prints what happens to one piece of work while it is done: the job's phase, and the stages of its worker.

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use crate::base::text;
use crate::cli::support::terminal::times::duration;
use crate::cli::support::terminal::{Meaning, paint, progress, style};
use crate::cli::unattended::coordinator::log_tail::LogTail;
use crate::coordinator::state::{Job, Phase, store};
use crate::foreman::calls::RAW_OUTPUT;
use crate::hub::Hub;

/// How often the state and the worker's log are read.
const EVERY: Duration = Duration::from_millis(200);

/// What was printed so far.
#[derive(Default)]
struct Printed {
    phase: String,
    log: LogTail,
}

/// Prints progress of the work `name` until `stop` closes.
pub fn follow(hub: &Hub, name: &str, stop: &Receiver<()>) {
    let began = Instant::now();
    let mut printed = Printed::default();
    loop {
        let is_last = stop.recv_timeout(EVERY) != Err(RecvTimeoutError::Timeout);
        if let Ok(state) = store::load(hub)
            && let Some(job) = state.jobs.iter().rev().find(|job| job.is_called(name))
        {
            printed.show(hub, job, began);
        }
        if is_last {
            return;
        }
    }
}

impl Printed {
    fn show(&mut self, hub: &Hub, job: &Job, began: Instant) {
        let run = job.run_id();
        // A short run may be over before it is seen to run.
        let has_started = !matches!(job.phase, Phase::Assigning | Phase::Ordering | Phase::Spawning);
        if self.log.run() != run && has_started {
            self.log.switch_to(&run);
            let detail = format!("{} {} with seat {}", job.short(), job.title, job.seat);
            print("Starting", &detail, began);
        }
        let (verb, detail) = phase(job);
        let now = format!("{verb} {detail}");
        let is_news = !verb.is_empty() && self.phase != now;
        // A worker's last lines come before what became of it.
        let is_end = !matches!(job.phase, Phase::Running { .. });
        if is_end {
            self.read_log(hub, began);
        }
        if is_news {
            self.phase = now;
            print(verb, &detail, began);
        }
        if !is_end {
            self.read_log(hub, began);
        }
    }

    fn read_log(&mut self, hub: &Hub, began: Instant) {
        for line in self.log.new_lines(hub) {
            if let Some((verb, detail)) = step(&line) {
                print(verb, detail, began);
            }
        }
    }
}

/// The verb and the detail of a job's phase; no verb where the worker's log tells more.
fn phase(job: &Job) -> (&'static str, String) {
    let reason = || job.last.as_ref().map(|last| last.reason.clone()).unwrap_or_default();
    match &job.phase {
        Phase::Waiting { until } => ("Waiting", format!("until {until}: {}", reason())),
        Phase::Held => ("Stopped", reason()),
        Phase::Question { .. } => ("Asking", job.title.clone()),
        Phase::Review { .. } => ("Finished", job.title.clone()),
        Phase::Over { ending, .. } => ("Finished", format!("{}: {}", job.title, ending.as_str())),
        Phase::Running { .. } | Phase::Assigning | Phase::Ordering | Phase::Spawning | Phase::Finalizing { .. } => {
            ("", String::new())
        }
    }
}

/// What a line of a worker's log says about its progress, as verb and detail; `None` where it says nothing new.
pub fn step(line: &str) -> Option<(&'static str, &str)> {
    if let Some(inner) = line.strip_prefix("      ") {
        let verbs = [("passed: ", "Passed"), ("sent back: ", "Sent back"), ("ok ", "Finished")];
        if inner.starts_with(RAW_OUTPUT) {
            return None;
        }
        // An answer for teof alone; the stage's outcome says the same in words.
        if inner.split_once(": ").is_some_and(|(_, said)| said.starts_with('{')) {
            return None;
        }
        let known = verbs.iter().find_map(|(begin, verb)| Some((*verb, inner.strip_prefix(begin)?)));
        return Some(known.unwrap_or(("", inner)));
    }
    let ends = ["worktree ", "commit ", "receipt ", "succeeded: ", "blocked: ", "failed: ", "paused: "];
    let is_end = ends.iter().any(|begin| line.starts_with(begin)) || line.starts_with(' ');
    let is_finding = ["low ", "medium ", "high ", "critical "].iter().any(|begin| line.starts_with(begin));
    (!is_end && !is_finding && !line.trim().is_empty()).then_some(("Running", line))
}

fn print(verb: &str, detail: &str, began: Instant) {
    let spent = duration(began.elapsed());
    let detail = text::clip(&text::safe(detail), 200);
    let line = format!(
        "{} {detail} {}",
        paint(Meaning::Good, format!("{verb:>10}")),
        paint(Meaning::Quiet, format!("({spent})"))
    );
    let _line = progress::clear();
    let _ = writeln!(std::io::stderr(), "{}", style::for_stderr(&line));
}

#[cfg(test)]
mod tests {
    use super::step;

    #[test]
    fn lines_of_a_worker_become_progress() {
        assert_eq!(step("coder, round 2"), Some(("Running", "coder, round 2")));
        assert_eq!(step("      passed: wrote it"), Some(("Passed", "wrote it")));
        assert_eq!(step("      sent back: a test failed"), Some(("Sent back", "a test failed")));
        assert_eq!(step("      claude: reads a file"), Some(("", "claude: reads a file")));
        for other in [
            "      claude: {\"analysis\": 1}",
            "receipt a.json",
            "succeeded: ready",
            "high   300 lines",
            "       split it",
            "",
        ] {
            assert_eq!(step(other).filter(|(verb, _)| !verb.is_empty()), None, "{other:?}");
        }
    }
}
