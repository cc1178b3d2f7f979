//! A program in a window: of a run of the foreman, or of a person.
//!
//! A window outlives whoever opened it. In a run the supervisor's child relays the output of the window ([`pane`]); how
//! the program ended stands in a file that the process in the window writes.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::pane::{self, Ended, Job, Kind, MODE, RELAY, ended};
use super::server::{Server, Window};
use crate::base::{Result, files};
use crate::exec::executors::executor::Executor;
use crate::exec::output::Observer;
use crate::exec::supervise::{Report, Spec, Supervisor, Verdict};

/// The windows of one run.
#[derive(Clone, Debug)]
pub struct Tmux {
    pub server: Server,
    /// The task, for the windows' names.
    pub task: String,
}

/// SIGHUP, which a program gets when its terminal is closed.
const HANG_UP: i32 = 1;

impl Executor for Tmux {
    fn name(&self) -> &'static str {
        "tmux"
    }

    fn run(&self, supervisor: &Supervisor, spec: Spec, title: &str, observer: &mut dyn Observer) -> Result<Report> {
        let folder = spec.output.with_extension("window");
        files::create_parent(&folder)?;
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|e| files::io_refusal(e, "create", &folder))?;
        let kind = Kind::Relayed { confinement: spec.confinement.clone() };
        let env = spec.env.iter().chain(&spec.marks).cloned().collect();
        pane::prepare(&folder, &Job { argv: spec.argv.clone(), cwd: spec.cwd.clone(), env, kind }, &spec.stdin)?;
        let name = format!("{}-{title}", self.task);
        let own = supervisor.own_file()?;
        let relay = vec![own.to_string_lossy().into_owned(), RELAY.to_owned(), folder.display().to_string()];
        let argv = own_mode(own, MODE, &folder);
        // The folder of its output is its session's.
        let key = spec.output.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let window = self.server.open(&name, &key, &spec.cwd, &spec.marks, &argv)?;
        // The window's process confines the program; the relay reads its pipes.
        let spec = Spec { argv: relay, stdin: Vec::new(), confinement: None, ..spec };
        let report = supervisor.run(&spec, observer);
        self.server.close(&window);
        let ended = ended(&folder);
        pane::clear(&folder);
        let _ = std::fs::remove_dir(&folder);
        let mut report = report?;
        // It may still be exiting when the relay has ended.
        report.ended.retain(|process| process.pid != window.pid);
        if matches!(report.verdict, Verdict::Exited(_) | Verdict::Signalled(_)) {
            report.verdict = ended.map_or(Verdict::Signalled(HANG_UP), Ended::verdict);
        }
        Ok(report)
    }
}

/// Opens a window for a person. `folder`: private, where it is noted how the program ended.
pub fn open_terminal(server: &Server, terminal: &Terminal, folder: &Path) -> Result<Window> {
    let kind = Kind::Terminal { log: terminal.log.clone() };
    let Terminal { argv, cwd, env, marks, .. } = terminal;
    let env = env.iter().chain(marks).cloned().collect();
    pane::prepare(folder, &Job { argv: argv.clone(), cwd: cwd.clone(), env, kind }, &[])?;
    let opened =
        server.open(&terminal.name, &terminal.key, cwd, marks, &own_mode(terminal.launcher.clone(), MODE, folder));
    if opened.is_err() {
        pane::clear(folder);
    }
    opened
}

/// A terminal for a person.
#[derive(Debug)]
pub struct Terminal {
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    pub env: Vec<(String, String)>,
    /// Variables that identify its processes.
    pub marks: Vec<(String, String)>,
    /// Shown to people.
    pub name: String,
    /// Finds the window again.
    pub key: String,
    /// The file for what the terminal shows.
    pub log: PathBuf,
    /// Our own binary: [`own_file`](crate::exec::own_file).
    pub launcher: OsString,
}

/// Our own binary in a hidden mode that works on a folder.
fn own_mode(own: OsString, mode: &str, folder: &Path) -> Vec<OsString> {
    vec![own, mode.into(), folder.into()]
}
