//! A command as what a supervisor starts, and the figures of what it reports; for runs and for checks outside of them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::base::{Refusal, Result, files, text};
use crate::exec::{Clocks, Keep, Report, Spec};
use crate::guard::secrets;
use crate::hub::settings::Worker;
use crate::model::command::{Command, Program};

/// How many characters of a command's last output are shown.
const TAIL: usize = 2000;

/// What is started for a command. `folder` is where it runs, or what its own folder is relative to; `max_output` is how
/// much of its output is kept, in bytes.
pub fn of(
    command: &Command,
    folder: &Path,
    env: Vec<(String, String)>,
    marks: Vec<(String, String)>,
    clocks: Clocks,
    output: PathBuf,
    max_output: u64,
) -> Result<Spec> {
    Ok(Spec {
        argv: match &command.program {
            Program::Argv(argv) => argv.clone(),
            Program::Shell(line) => Spec::shell(line),
        },
        cwd: command.cwd.as_ref().map_or_else(|| Ok(folder.to_owned()), |own| own_folder(folder, own))?,
        env,
        marks,
        stdin: Vec::new(),
        clocks,
        output,
        through_file: false,
        errors: None,
        keep: Keep { file: max_output, ..Keep::default() },
        confinement: None,
        limits: None,
    })
}

/// The folder of a command below `folder`; not through a link, which the work itself could have made.
fn own_folder(folder: &Path, own: &str) -> Result<PathBuf> {
    let path = files::within(folder, own)?;
    match path.is_symlink() {
        true => Err(Refusal::guard("path.outside", format!("the folder {:?} of a command is a link", text::safe(own)))
            .because("a link may lead out of the worktree")
            .next("name the folder itself")
            .into()),
        false => Ok(path),
    }
}

/// The clocks of a command: the shorter time limit counts, its own or the run's. Zero means no limit.
pub fn clocks(settings: &Worker, no_output: Duration, wall: Duration, command: &Command) -> Clocks {
    let limits = [command.timeout.and_then(some), some(wall)];
    Clocks {
        silence: some(no_output),
        meaning: None,
        wall: limits.into_iter().flatten().min(),
        linger: Duration::ZERO,
        grace: settings.grace,
    }
}

/// A span; none when it is zero.
pub fn some(span: Duration) -> Option<Duration> {
    (!span.is_zero()).then_some(span)
}

/// The end of the output, without secrets.
pub fn tail(report: &Report) -> String {
    let tail = secrets::redact(&text::safe_block(&String::from_utf8_lossy(&report.output.tail)));
    let excess = tail.chars().count().saturating_sub(TAIL);
    tail.chars().skip(excess).collect()
}

/// How long it ran, to the millisecond.
pub fn seconds(report: &Report) -> f64 {
    (report.duration.as_secs_f64() * 1000.0).round() / 1000.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_runs_in_a_folder_of_the_worktree_and_not_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(dir.path().join("sub/deep")).unwrap();
        std::os::unix::fs::symlink("/", dir.path().join("link")).unwrap();
        assert_eq!(own_folder(dir.path(), "sub/deep").unwrap(), dir.path().join("sub/deep"));
        for outside in ["link", "link/tmp", "..", "/tmp"] {
            assert!(own_folder(dir.path(), outside).is_err(), "{outside}");
        }
    }

    #[test]
    fn the_shorter_time_limit_counts_and_zero_is_none() {
        let second = Duration::from_secs;
        let wall = |own: Option<u64>, run: u64| {
            let command = Command { timeout: own.map(second), ..Command::shell("true") };
            clocks(&Worker::default(), Duration::ZERO, second(run), &command).wall
        };
        assert_eq!((wall(Some(5), 9), wall(Some(9), 5)), (Some(second(5)), Some(second(5))));
        assert_eq!((wall(Some(5), 0), wall(None, 5)), (Some(second(5)), Some(second(5))), "its own limit stands alone");
        assert_eq!((wall(Some(0), 0), wall(None, 0)), (None, None));
    }
}
