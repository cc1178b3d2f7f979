//! Tells what happens while the coordinator runs: a line when a job starts, enters a stage, or ends.

use std::collections::HashSet;
use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::Serialize;

use super::log;
use crate::base::time::duration;
use crate::base::{Stamp, json, text};
use crate::cli::support::terminal::{Times, progress, style};
use crate::coordinator::process::Progress;
use crate::coordinator::state::{Phase, store};
use crate::coordinator::worker_log::{LogTail, Said, said};
use crate::hub::Hub;

/// How often the logs of running workers are read. Nothing is read while no worker runs.
const EVERY: Duration = Duration::from_millis(300);
/// How many runs that ended are remembered.
const MAX_PAUSED: usize = 32;
/// The longest title in a line, in characters.
const TITLE: usize = 40;

/// How the lines are printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// For people, on stderr.
    Text,
    /// One JSON document a line, on stdout.
    Json,
    /// Not at all.
    Silent,
}

/// What the workers of unfinished jobs said before the coordinator starts: it is not told as if it happened now.
pub fn said_before(hub: &Hub) -> Vec<Told> {
    let jobs = store::load(hub).map(|state| state.jobs).unwrap_or_default();
    let open = jobs.iter().filter(|job| !matches!(job.phase, Phase::Over { .. }));
    open.map(|job| Told { log: LogTail::at_end(hub, &job.run_id()), stages: HashSet::new() }).collect()
}

/// Prints progress as it arrives, and the stages of running workers, until the sender is dropped.
pub fn narrate(hub: &Hub, form: Form, mut paused: Vec<Told>, received: &Receiver<Progress>) {
    let mut runs = Vec::new();
    loop {
        let next = match runs.is_empty() {
            true => received.recv().map_err(|_| RecvTimeoutError::Disconnected),
            false => received.recv_timeout(EVERY),
        };
        runs.iter_mut().for_each(|run: &mut Running| run.tell_stages(hub, form));
        match next {
            Ok(progress) => receive(hub, form, &mut runs, &mut paused, progress),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return,
        }
    }
}

/// `paused`: runs that ended, and may go on under the same name after an answer.
fn receive(hub: &Hub, form: Form, runs: &mut Vec<Running>, paused: &mut Vec<Told>, progress: Progress) {
    let at = runs.iter().position(|run| Some(run.told.log.run()) == progress.run.as_deref());
    let elapsed = at.map(|at| runs[at].began.elapsed());
    print(hub, form, &progress, None, elapsed);
    match (at, &progress.run) {
        (None, Some(run)) if progress.running => {
            let earlier = paused.iter().position(|earlier| earlier.log.run() == run).map(|at| paused.remove(at));
            let told = earlier.unwrap_or_else(|| Told { log: LogTail::new(hub, run), stages: HashSet::new() });
            runs.push(Running { told, began: Instant::now(), progress });
        }
        (Some(at), _) if !progress.running => {
            paused.push(runs.remove(at).told);
            if paused.len() > MAX_PAUSED {
                paused.remove(0);
            }
        }
        _ => {}
    }
}

/// What was told of a run's log.
pub struct Told {
    log: LogTail,
    /// The stages that were told to begin.
    stages: HashSet<String>,
}

/// A worker that runs.
struct Running {
    told: Told,
    began: Instant,
    /// What was said when it started.
    progress: Progress,
}

impl Running {
    fn tell_stages(&mut self, hub: &Hub, form: Form) {
        for line in self.told.log.new_lines() {
            let what = match said(&line) {
                // A stage that goes on after a pause is not told again.
                Said::Stage(stage) if self.told.stages.insert(stage.to_owned()) => stage,
                Said::SentBack(why) => why,
                _ => continue,
            };
            print(hub, form, &self.progress, Some(what), Some(self.began.elapsed()));
        }
    }
}

fn print(hub: &Hub, form: Form, progress: &Progress, stage: Option<&str>, elapsed: Option<Duration>) {
    let now = hub.now();
    match form {
        // A reader that goes away does not stop the coordinator.
        Form::Json => {
            let line = json::printable(json::compact(&document(progress, now, stage, elapsed)));
            let mut out = std::io::stdout().lock();
            let _ = writeln!(out, "{line}").and_then(|()| out.flush());
        }
        Form::Text if log::is_for_people() => {
            let time = Times::on_stderr(now).clock(now);
            let _line = progress::clear();
            let line = line(progress, &time, stage, elapsed);
            let line = Times::on_stderr(now).in_text(&line);
            let _ = writeln!(std::io::stderr(), "{}", style::wrap(&line, style::columns_of_stderr(), time.len() + 1));
        }
        Form::Text | Form::Silent => {}
    }
    let at = now.to_string();
    log::write(
        || json::printable(json::compact(&document(progress, now, stage, elapsed))),
        || line(progress, &at, stage, elapsed),
    );
}

/// A line of `teof run --json`, while it runs.
#[derive(Debug, Serialize, JsonSchema)]
pub struct Line {
    /// `progress`.
    r#type: &'static str,
    at: Stamp,
    #[serde(flatten)]
    progress: Progress,
    /// Where a stage begins: `coder, round 1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    stage: Option<String>,
    /// Since the job started.
    #[serde(skip_serializing_if = "Option::is_none")]
    elapsed_seconds: Option<u64>,
}

fn document(progress: &Progress, at: Stamp, stage: Option<&str>, elapsed: Option<Duration>) -> Line {
    let mut progress = progress.clone();
    if let Some(stage) = stage {
        stage.clone_into(&mut progress.text);
    }
    Line {
        r#type: "progress",
        at,
        progress,
        stage: stage.map(str::to_owned),
        elapsed_seconds: elapsed.map(|elapsed| elapsed.as_secs()),
    }
}

/// `10:32:03 j1 Document the parser: tester, round 1 (39s)`
fn line(progress: &Progress, time: &str, stage: Option<&str>, elapsed: Option<Duration>) -> String {
    let Some(job) = &progress.short else { return text::safe(&format!("{time} {}", progress.text)) };
    let title = progress.title.as_deref().map(|title| format!(" {}", text::clip(title, TITLE))).unwrap_or_default();
    let spent = elapsed.map(|elapsed| format!(" ({})", duration(elapsed))).unwrap_or_default();
    text::safe(&format!("{time} {job}{title}: {}{spent}", stage.unwrap_or(&progress.text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_job_title_stage_and_time() {
        let job = |title: &str, text: &str| Progress {
            short: Some("j1".into()),
            title: Some(title.into()),
            text: text.into(),
            ..Progress::default()
        };
        let minute = Some(Duration::from_secs(69));
        let started = job("Document the parser", "started with seat worker-1");
        assert_eq!(
            line(&started, "10:32:01", None, None),
            "10:32:01 j1 Document the parser: started with seat worker-1"
        );
        let staged = line(&started, "10:33:10", Some("tester, round 1"), minute);
        assert_eq!(staged, "10:33:10 j1 Document the parser: tester, round 1 (1m 09s)");
        let long = line(&job(&"word ".repeat(20), "done\u{1b}[2J"), "10:33:10", None, minute);
        assert!(long.chars().count() < 80 && !long.contains('\u{1b}'), "{long}");
        let stage = serde_json::json!(document(&started, Stamp::from_unix(0), Some("coder, round 1"), minute));
        assert_eq!(
            (&stage["type"], &stage["stage"], &stage["elapsed_seconds"]),
            (&"progress".into(), &"coder, round 1".into(), &69.into())
        );
    }
}
