//! Runs commands outside of a run: the tests of an approval on the merged tree, and the commands of a rollback.
//!
//! The same limits as in a run: minimal environment, time limits, leftover processes are stopped. They look like part
//! of a run, so they cannot grant or approve anything.

use std::path::Path;

use anyhow::Context;

use super::executor::{Chosen, Subject};
use super::outside::Watch;
use super::{runner, spec};
use crate::base::{Result, env, text};
use crate::exec::{self, Control, Spec, Supervisor, TimedOut, Verdict};
use crate::foreman::sandbox::{Sandbox, Workplace};
use crate::foreman::telemetry;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::hub::worktrees::setup;
use crate::model::command::Command;
use crate::model::run::bundle::Test;

/// A test that was run.
#[derive(Clone, Debug)]
pub struct Trial {
    pub test: Test,
    /// For people: `exit code 1`.
    pub outcome: String,
    /// The end of its output, without secrets.
    pub tail: String,
    /// File with the complete output, machine-local.
    pub log: String,
}

/// Runs command lines in `folder` as `run`, for a job, up to the first that fails.
///
/// # Errors
/// As [`commands`].
pub fn tests(hub: &Hub, folder: &Path, of: (&str, &str), lines: &[String], say: &dyn Fn(&str)) -> Result<Vec<Trial>> {
    commands(hub, folder, of, &lines.iter().map(|line| Command::shell(line)).collect::<Vec<_>>(), say)
}

/// Runs commands in `folder` as `run`, for a job, up to the first that fails.
///
/// # Errors
/// When the output cannot be stored or a process cannot be created; `review.outside_changed`. A command that fails is not
/// an error.
pub fn commands(
    hub: &Hub,
    folder: &Path,
    (run, job): (&str, &str),
    commands: &[Command],
    say: &dyn Fn(&str),
) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    if commands.is_empty() {
        return Ok(trials);
    }
    let settings = &hub.settings()?.worker;
    let session = runner::new_folder(hub, run)?;
    // As in a run, without a branch: nothing is committed here.
    let repository = git2::Repository::open(folder).context("open the worktree of the tests")?;
    let at = Workplace { root: folder, git_dir: repository.path(), branch: "", session: &session, own: &[] };
    let sandbox = Sandbox::new(hub, &at)?;
    let marks = runner::marks(hub, run);
    exec::end_marked(marks.clone(), settings.grace);
    let supervisor = Supervisor::new()?;
    let executor = Chosen::new(hub, &Subject { job: run, task: "" }, &at)?.with(&[]);
    let after = sandbox.after_death(executor.after_death(run));
    let _reaper = supervisor.start_reaper(&marks, settings.grace, after)?;
    let trace = telemetry::parent_of_job(hub, job);
    let slot = setup::slot_of(hub, repository.path())?;
    let base = repository.head()?.peel_to_commit()?.id();
    let watch = Watch::start(hub, repository.path(), base, job)?;
    for (at, command) in commands.iter().enumerate() {
        say(&format!("[{}/{}] {}", at + 1, commands.len(), text::safe(&command.to_string())));
        let mut env = exec::allowed(&settings.env);
        env.extend(sandbox.variables());
        env.extend(slot.variables());
        env.extend(trace.iter().map(|parent| (env::TRACEPARENT.to_owned(), parent.clone())));
        env.extend(command.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        let clocks = spec::clocks(settings, settings.no_output, settings.wall, command);
        let output = session.join(format!("test-{}.log", at + 1));
        let spec = spec::of(command, folder, env, marks.clone(), clocks, output, settings.max_output)?;
        let spec = Spec { confinement: sandbox.for_command(), limits: sandbox.limits(), ..spec };
        let report = executor.run(&supervisor, spec, &format!("test-{}", at + 1), &mut || Control::Continue)?;
        let trial = trial(command, &report);
        say(&format!("      {} in {:.1}s", trial.outcome, report.duration.as_secs_f64()));
        let passed = trial.test.passed;
        trials.push(trial);
        if !passed {
            break;
        }
    }
    watch.end()?;
    Ok(trials)
}

fn trial(command: &Command, report: &exec::Report) -> Trial {
    Trial {
        test: Test {
            command: secrets::redact(&command.to_string()),
            passed: report.verdict.succeeded(),
            exit_code: if let Verdict::Exited(code) = report.verdict { Some(code) } else { None },
            duration_seconds: spec::seconds(report),
            output_sha256: Some(report.output.sha256.clone()),
        },
        outcome: describe(&report.verdict),
        tail: spec::tail(report),
        log: report.output.path.display().to_string(),
    }
}

fn describe(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Exited(0) => "passed".to_owned(),
        Verdict::Exited(code) => format!("exit code {code}"),
        Verdict::Signalled(signal) => format!("killed by signal {signal}"),
        Verdict::TimedOut(TimedOut::Silence) => "no output for too long".to_owned(),
        Verdict::TimedOut(TimedOut::Meaning | TimedOut::Wall) => "time limit reached".to_owned(),
        Verdict::Cancelled | Verdict::Lingered => "stopped on request".to_owned(),
        Verdict::OverLimit(which) => format!("killed: {which}"),
        Verdict::NotStarted(why) => format!("could not start: {}", text::safe(why)),
    }
}
