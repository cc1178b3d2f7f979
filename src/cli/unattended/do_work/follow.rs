//! Prints what happens to one piece of work while it is done: the job's phase, and the stages of its worker.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use anstyle::{AnsiColor, Style};

use crate::base::text;
use crate::coordinator::executor::workers::LOGS;
use crate::coordinator::state::{Job, Phase, store};
use crate::hub::Hub;

/// How often the state and the worker's log are read.
const EVERY: Duration = Duration::from_millis(200);
/// Bytes of a log that are read at once; what is longer is not progress.
const MAX_READ: u64 = 64 << 10;

const VERB: Style = AnsiColor::Green.on_default().bold();

/// What was printed so far.
#[derive(Default)]
struct Printed {
    phase: String,
    run: String,
    offset: u64,
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
        if self.run != run && has_started {
            (self.run, self.offset) = (run, 0);
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
        let path = hub.local(&format!("{LOGS}/{}.log", self.run));
        let Ok(mut file) = File::open(path) else { return };
        let mut bytes = Vec::new();
        if file.seek(SeekFrom::Start(self.offset)).is_err() || file.take(MAX_READ).read_to_end(&mut bytes).is_err() {
            return;
        }
        let Some(end) = bytes.iter().rposition(|byte| *byte == b'\n') else {
            // A line that is longer than what is read at once is passed over.
            self.offset += if bytes.len() as u64 == MAX_READ { MAX_READ } else { 0 };
            return;
        };
        self.offset += end as u64 + 1;
        for line in String::from_utf8_lossy(&bytes[..end]).lines() {
            if let Some((verb, detail)) = step(line) {
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
fn step(line: &str) -> Option<(&'static str, &str)> {
    if let Some(inner) = line.strip_prefix("      ") {
        let verbs = [("passed: ", "Passed"), ("sent back: ", "Sent back"), ("ok ", "Finished")];
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
    let spent = span(began.elapsed());
    let detail = text::clip(&text::safe(detail), 200);
    let _ = writeln!(anstream::stderr(), "{VERB}{verb:>10}{VERB:#} {detail} ({spent})");
}

/// `12s`, `3m 04s`, `1h 02m`.
fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds}s"),
        seconds @ 60..3600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        seconds => format!("{}h {:02}m", seconds / 3600, seconds % 3600 / 60),
    }
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
