//! Runs commands outside of a run: the tests of an approval on the merged tree, and the commands of a rollback.
//!
//! The same limits as in a run: minimal environment, time limits, leftover processes are stopped. They look like part
//! of a run, so they cannot grant or approve anything.

use std::fs;
use std::path::Path;
use std::time::Duration;

use crate::base::{Result, env, files, text};
use crate::exec::{self, Clocks, Control, Keep, Spec, Supervisor, TimedOut, Verdict};
use crate::guard::secrets;
use crate::hub::Hub;
use crate::model::command::{Command, Program};
use crate::model::run::bundle::Test;

/// How many characters of a test's last output are shown.
const TAIL: usize = 2000;

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

/// Runs command lines in `folder` as `run`, up to the first that fails.
///
/// # Errors
/// As [`commands`].
pub fn tests(hub: &Hub, folder: &Path, run: &str, lines: &[String], say: &dyn Fn(&str)) -> Result<Vec<Trial>> {
    commands(hub, folder, run, &lines.iter().map(|line| Command::shell(line)).collect::<Vec<_>>(), say)
}

/// Runs commands in `folder` as `run`, up to the first that fails.
///
/// # Errors
/// When the output cannot be stored or a process cannot be created. A command that fails is not an error.
pub fn commands(hub: &Hub, folder: &Path, run: &str, commands: &[Command], say: &dyn Fn(&str)) -> Result<Vec<Trial>> {
    let mut trials = Vec::new();
    if commands.is_empty() {
        return Ok(trials);
    }
    let settings = &hub.settings()?.worker;
    let session = new_session(hub, run)?;
    let marks = vec![(env::RUN.to_owned(), run.to_owned()), (env::ROOT.to_owned(), hub.root.display().to_string())];
    exec::end_marked(marks.clone(), settings.grace);
    let supervisor = Supervisor::new()?;
    let _reaper = supervisor.start_reaper(&marks, settings.grace)?;
    let some = |span: Duration| (!span.is_zero()).then_some(span);
    for (at, command) in commands.iter().enumerate() {
        let line = command.to_string();
        say(&format!("[{}/{}] {}", at + 1, commands.len(), text::safe(&line)));
        let mut env = exec::allowed(&settings.env);
        env.extend(command.env.iter().map(|(name, value)| (name.clone(), value.clone())));
        let spec = Spec {
            argv: match &command.program {
                Program::Argv(argv) => argv.clone(),
                Program::Shell(line) => Spec::shell(line),
            },
            cwd: command.cwd.as_ref().map_or_else(|| Ok(folder.to_owned()), |own| files::within(folder, own))?,
            env,
            marks: marks.clone(),
            stdin: Vec::new(),
            clocks: Clocks {
                silence: some(settings.no_output),
                meaning: None,
                wall: some(command.timeout.map_or(settings.wall, |own| own.min(settings.wall))),
                linger: Duration::ZERO,
                grace: settings.grace,
            },
            output: session.join(format!("test-{}.log", at + 1)),
            through_file: false,
            errors: None,
            keep: Keep { file: settings.max_output, ..Keep::default() },
        };
        let report = supervisor.run(&spec, &mut || Control::Continue)?;
        let passed = report.verdict.succeeded();
        let outcome = words(&report.verdict);
        say(&format!("      {outcome} in {:.1}s", report.duration.as_secs_f64()));
        let tail = secrets::redact(&text::safe_block(&String::from_utf8_lossy(&report.output.tail)));
        let excess = tail.chars().count().saturating_sub(TAIL);
        trials.push(Trial {
            test: Test {
                command: secrets::redact(&line),
                passed,
                exit_code: if let Verdict::Exited(code) = report.verdict { Some(code) } else { None },
                duration_seconds: (report.duration.as_secs_f64() * 1000.0).round() / 1000.0,
            },
            outcome,
            tail: tail.chars().skip(excess).collect(),
            log: report.output.path.display().to_string(),
        });
        if !passed {
            break;
        }
    }
    Ok(trials)
}

/// Creates a folder for raw output.
fn new_session(hub: &Hub, run: &str) -> Result<std::path::PathBuf> {
    let sessions = hub.state_home().join("sessions");
    for n in 1..1000 {
        let folder = sessions.join(if n == 1 { run.to_owned() } else { format!("{run}-{n}") });
        if folder.symlink_metadata().is_err() {
            fs::create_dir_all(&folder).map_err(|e| files::io_refusal(e, "create", &folder))?;
            return Ok(folder);
        }
    }
    anyhow::bail!("no free folder for {run} in {}", sessions.display())
}

fn words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Exited(0) => "passed".to_owned(),
        Verdict::Exited(code) => format!("exit code {code}"),
        Verdict::Signalled(signal) => format!("killed by signal {signal}"),
        Verdict::TimedOut(TimedOut::Silence) => "no output for too long".to_owned(),
        Verdict::TimedOut(TimedOut::Meaning | TimedOut::Wall) => "time limit reached".to_owned(),
        Verdict::Cancelled | Verdict::Lingered => "stopped on request".to_owned(),
        Verdict::NotStarted(why) => format!("could not start: {}", text::safe(why)),
    }
}
