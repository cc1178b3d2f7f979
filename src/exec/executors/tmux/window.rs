//! The executor that shows each program of a run in a window, and windows for people.

use std::ffi::OsString;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::server::{Server, Window};
use super::terminal::{self, Job};
use super::view::{self, View};
use crate::base::{Result, files};
use crate::exec::broker::Belongs;
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
/// The pipe in a window's folder.
const PIPE: &str = "pipe";

impl Executor for Tmux {
    fn name(&self) -> &'static str {
        "tmux"
    }

    fn run(&self, supervisor: &Supervisor, spec: Spec, title: &str, observer: &mut dyn Observer) -> Result<Report> {
        let folder = spec.output.with_extension("window");
        files::create_parent(&folder)?;
        let made = std::fs::DirBuilder::new().mode(0o700).create(&folder);
        made.map_err(|e| files::io_refusal(e, "create", &folder))?;
        let pipe = folder.join(PIPE);
        let report = view::make_pipe(&pipe).and_then(|()| self.run_shown(supervisor, &spec, title, &pipe, observer));
        let _ = std::fs::remove_file(&pipe);
        let _ = std::fs::remove_dir(&folder);
        report
    }
}

impl Tmux {
    /// Runs the program while a window shows it.
    fn run_shown(
        &self,
        supervisor: &Supervisor,
        spec: &Spec,
        title: &str,
        pipe: &Path,
        observer: &mut dyn Observer,
    ) -> Result<Report> {
        let name = format!("{}-{title}", self.task);
        // The folder of its output is its session's.
        let key = spec.output.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy();
        let window =
            self.server.open(&name, &key, &spec.cwd, &[], &own_mode(supervisor.own_file()?, view::MODE, pipe))?;
        // We may have adopted the server, which does not belong to the program.
        let _server = self.server.process().and_then(|server| supervisor.leave_out(server));
        let report = View::open(pipe, &name, observer).and_then(|mut view| {
            let mut report = supervisor.run(spec, &mut view)?;
            if view.is_closed && report.verdict == Verdict::Cancelled {
                report.verdict = Verdict::Signalled(HANG_UP);
            }
            Ok(report)
        });
        self.server.close(&window);
        report
    }

    /// Tells which processes are programs of the run: what the tmux server starts is not, although the process that
    /// started the server may have adopted it.
    pub fn members(&self, supervisor: &Supervisor) -> Box<Belongs> {
        let server = self.server.clone();
        supervisor.members_besides(move || server.process())
    }
}

/// Opens a window for a person. `folder`: private, where it is noted how the program ended.
pub fn open_terminal(server: &Server, terminal: &Terminal, folder: &Path) -> Result<Window> {
    let Terminal { argv, cwd, env, marks, log, max_log, .. } = terminal.clone();
    let env = env.into_iter().chain(marks).collect();
    terminal::prepare(folder, &Job { argv, cwd, env, log, max_log })?;
    let argv = own_mode(terminal.launcher.clone(), terminal::MODE, folder);
    let opened = server.open(&terminal.name, &terminal.key, &terminal.cwd, &terminal.marks, &argv);
    if opened.is_err() {
        terminal::clear(folder);
    }
    opened
}

/// A terminal for a person.
#[derive(Clone, Debug)]
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
    /// Its limit, in bytes; the end is kept.
    pub max_log: u64,
    /// Our own binary: [`own_file`](crate::exec::own_file).
    pub launcher: OsString,
}

/// Our own binary in a hidden mode that works on a path.
fn own_mode(own: OsString, mode: &str, path: &Path) -> Vec<OsString> {
    vec![own, mode.into(), path.into()]
}
