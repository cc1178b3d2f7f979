//! The process in a window: starts the program, waits for it, and notes how it ended.
//!
//! It finds what to run in a file, because arguments can be read by every account of the machine. In a run of the
//! foreman the program gets pipes: its output is shown in the window and relayed to the supervisor, whose child opens
//! the other ends ([`relay`]). A program for a person gets the terminal itself.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::server::Server;
use crate::base::{files, text};
use crate::exec::confinement::Confinement;
use crate::exec::launch::{self, StderrPipe};
use crate::exec::limits::Placement;
use crate::exec::own_binary::own_binary;
use crate::exec::processes::process_tree::ProcessTree;
use crate::exec::processes::termination::end_tree;
use crate::exec::supervise::Verdict;

/// The first argument that selects this process. What follows: the window's folder.
pub(in crate::exec) const MODE: &str = "__window";
/// The first argument that selects the supervisor's child. What follows: the window's folder.
pub(in crate::exec) const RELAY: &str = "__relay";

/// What to run, and how it ended.
const SPEC: &str = "window.json";
const END: &str = "window-end.json";
/// What the program reads.
const INPUT: &str = "window-input";
/// The named pipes of its output.
const PIPES: [&str; 2] = ["window-out", "window-err"];
/// How long the program's children may hold its output open.
const DRAIN: Duration = Duration::from_millis(500);
/// How long tmux may take to write the end of a terminal's output to its log.
const FLUSH: Duration = Duration::from_secs(2);
/// How long the window may take to start our binary.
const START: Duration = Duration::from_secs(20);
/// Between SIGTERM and SIGKILL for what the program left.
const GRACE: Duration = Duration::from_secs(2);

/// What a window runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    pub env: Vec<(String, String)>,
    pub kind: Kind,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Kind {
    /// With pipes, for a supervisor.
    Relayed { confinement: Option<Confinement> },
    /// With the terminal, for a person; what it shows is copied to a file.
    Terminal { log: PathBuf },
}

/// How a program in a window ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    Exited(i32),
    Signalled(i32),
    NotStarted(String),
}

impl Ended {
    pub(super) fn verdict(self) -> Verdict {
        match self {
            Ended::Exited(code) => Verdict::Exited(code),
            Ended::Signalled(signal) => Verdict::Signalled(signal),
            Ended::NotStarted(why) => Verdict::NotStarted(why),
        }
    }

    /// The program's own exit code.
    pub fn exit_code(&self) -> Option<i32> {
        if let Ended::Exited(code) = self { Some(*code) } else { None }
    }

    fn of(status: ExitStatus) -> Self {
        status.code().map_or_else(|| Ended::Signalled(status.signal().unwrap_or_default()), Ended::Exited)
    }
}

/// How the program of a window ended; `None` while it runs, and when its window was closed.
pub fn ended(folder: &Path) -> Option<Ended> {
    serde_json::from_slice(&std::fs::read(folder.join(END)).ok()?).ok()
}

/// When the program of a window ended.
pub fn ended_at(folder: &Path) -> Option<std::time::SystemTime> {
    folder.join(END).metadata().ok()?.modified().ok()
}

/// Writes what the window of a folder is to run. `input`: what the program reads.
pub(super) fn prepare(folder: &Path, job: &Job, input: &[u8]) -> crate::base::Result<()> {
    let _ = std::fs::remove_file(folder.join(END));
    private(&folder.join(SPEC), &serde_json::to_vec(job)?)?;
    if matches!(job.kind, Kind::Relayed { .. }) {
        private(&folder.join(INPUT), input)?;
        PIPES.iter().try_for_each(|pipe| make_pipe(&folder.join(pipe)))?;
    }
    Ok(())
}

/// Removes what [`prepare`] made, and how the program ended.
pub(super) fn clear(folder: &Path) {
    for name in [SPEC, INPUT, END].iter().chain(&PIPES) {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

fn private(path: &Path, bytes: &[u8]) -> crate::base::Result<()> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|e| files::io_refusal(e, "write", path))
}

#[cfg(target_os = "linux")]
fn make_pipe(path: &Path) -> crate::base::Result<()> {
    use rustix::fs::{CWD, FileType, Mode, mknodat};
    let made = mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0);
    made.map_err(|e| files::io_refusal(e.into(), "create", path))
}

#[cfg(not(target_os = "linux"))]
fn make_pipe(path: &Path) -> crate::base::Result<()> {
    let made = Command::new("mkfifo").args(["-m", "600"]).arg(path).status();
    match made {
        Ok(status) if status.success() => Ok(()),
        Ok(_) => anyhow::bail!("cannot create {}", path.display()),
        Err(e) => Err(files::io_refusal(e, "run mkfifo for", path)),
    }
}

/// The main function of the process in a window.
pub(in crate::exec) fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(folder) = args.next().map(PathBuf::from) else { return ExitCode::FAILURE };
    // A supervisor signals everything that belongs to the program; this process ends after the program. Closing the
    // window ends both.
    let ignored = std::sync::Arc::default();
    let _ = signal_hook::flag::register(signal_hook::consts::SIGTERM, ignored);
    let Some(job) = read_job(&folder) else { return ExitCode::FAILURE };
    // They stay open until this process ends, so that the relay ends with it.
    let pipes = match &job.kind {
        Kind::Relayed { .. } => PIPES.map(|pipe| OpenOptions::new().write(true).open(folder.join(pipe)).ok()),
        Kind::Terminal { .. } => [None, None],
    };
    let done = match &job.kind {
        Kind::Relayed { confinement } => relayed(&folder, &job, confinement.as_ref(), &pipes),
        Kind::Terminal { log } => in_terminal(&job, log),
    };
    let ended = done.unwrap_or_else(|e| Ended::NotStarted(text::safe(&e.to_string())));
    let written = files::replace_unsynced(&folder.join(END), &serde_json::to_vec(&ended).unwrap_or_default());
    drop(pipes);
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_job(folder: &Path) -> Option<Job> {
    let path = folder.join(SPEC);
    let bytes = std::fs::read(&path).ok()?;
    let _ = std::fs::remove_file(&path);
    serde_json::from_slice(&bytes).ok()
}

/// Runs the program with the window's terminal as its own.
fn in_terminal(job: &Job, log: &Path) -> std::io::Result<Ended> {
    // Keys like Ctrl-C are for the program; on exec the handlers are gone. Not SIGHUP: this process ends with its
    // terminal, and the kernel then hangs up the program.
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGQUIT] {
        signal_hook::flag::register(signal, ignored.clone())?;
    }
    let of_tmux = |name: &str| crate::base::env::var(name);
    let mut is_logged = false;
    if let (Some(tmux), Some(pane)) = (of_tmux("TMUX"), of_tmux("TMUX_PANE"))
        && let Some(socket) = tmux.split(',').next()
    {
        match Server::log(Path::new(socket), &pane, log) {
            Ok(()) => is_logged = true,
            Err(e) => tell(&format!("this terminal is not logged: {e:#}")),
        }
    }
    let Some((program, args)) = job.argv.split_first() else {
        return Err(std::io::Error::other("no program was named"));
    };
    let env = job.env.iter().map(|(name, value)| (name, value));
    let mut command = Command::new(program);
    command.args(args).current_dir(&job.cwd).env_clear().envs(env).env("TERM", "screen-256color");
    let mut child = command.spawn().map_err(|e| std::io::Error::other(format!("{program}: {e}")))?;
    let ended = child.wait().map(Ended::of)?;
    if is_logged {
        tell_end(&ended, log);
    }
    Ok(ended)
}

/// Says in the terminal how the program ended, and waits until the log has it: tmux copies it in the background, and
/// whoever sees that a session is over reads its whole log.
fn tell_end(ended: &Ended, log: &Path) {
    let said = match ended {
        Ended::Exited(code) => format!("the program ended with exit code {code}"),
        Ended::Signalled(signal) => format!("signal {signal} ended the program"),
        Ended::NotStarted(why) => why.clone(),
    };
    tell(&said);
    let until = Instant::now() + FLUSH;
    while !ends_with(log, &said) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Whether a file's last line has this text.
fn ends_with(path: &Path, text: &str) -> bool {
    let tail = || {
        let mut file = File::open(path)?;
        let length = file.metadata()?.len();
        // The line has a prefix and its end.
        file.seek(SeekFrom::Start(length.saturating_sub(text.len() as u64 + 16)))?;
        let mut tail = Vec::new();
        file.read_to_end(&mut tail)?;
        std::io::Result::Ok(String::from_utf8_lossy(&tail).contains(text))
    };
    tail().unwrap_or(false)
}

fn tell(what: &str) {
    let _ = std::io::stdout().write_all(format!("teof: {what}\r\n").as_bytes());
}

/// Runs the program with pipes, and copies its output into the window and to the supervisor.
fn relayed(
    folder: &Path,
    job: &Job,
    confinement: Option<&Confinement>,
    pipes: &[Option<File>; 2],
) -> std::io::Result<Ended> {
    let [Some(out), Some(err)] = pipes else { return Err(std::io::Error::other("its supervisor is gone")) };
    #[cfg(target_os = "linux")]
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let input = File::open(folder.join(INPUT))?;
    let (mut status, status_end) = std::io::pipe()?;
    let (stdout, stdout_end) = std::io::pipe()?;
    let (stderr, stderr_end) = std::io::pipe()?;
    // Before the program starts: when no thread can be started, there is no program to stop.
    let copies = [copy(stdout, out.try_clone()?)?, copy(stderr, err.try_clone()?)?];
    let stderr_path = StderrPipe::new(stderr_end.as_fd())?;
    let mut command =
        launch::command(&own_binary()?, Some(&stderr_path), &Placement::default(), confinement, &job.argv);
    let env = job.env.iter().map(|(name, value)| (name, value));
    command.current_dir(&job.cwd).env_clear().envs(env).stdin(input).stdout(stdout_end).stderr(status_end);
    let mut child = command.spawn()?;
    drop(command);
    let mut reason = String::new();
    status.read_to_string(&mut reason)?;
    drop((stderr_path, stderr_end));
    if !reason.is_empty() {
        child.wait()?;
        let program = job.argv.first().map_or("", String::as_str);
        return Ok(Ended::NotStarted(format!("{program}: {reason}")));
    }
    // Not by marks: the relay has them, too. The supervisor goes by them.
    let root = Some(child.id().cast_signed());
    let tree = ProcessTree { root, adopted_except: Some(Default::default()), ..ProcessTree::default() };
    let status = child.wait()?;
    end_tree(&tree, GRACE);
    let until = Instant::now() + DRAIN;
    while copies.iter().any(|copy| !copy.is_finished()) && Instant::now() < until {
        std::thread::sleep(Duration::from_millis(5));
    }
    Ok(Ended::of(status))
}

/// Copies a pipe to the supervisor as it is, and into the window as safe text.
fn copy(mut from: impl Read + Send + 'static, mut to: File) -> std::io::Result<JoinHandle<()>> {
    Builder::new().spawn(move || {
        let mut chunk = vec![0; 64 << 10];
        loop {
            match from.read(&mut chunk) {
                Ok(0) | Err(_) => return,
                Ok(n) => {
                    // A supervisor that is gone reads nothing; the window still shows it.
                    let _ = to.write_all(&chunk[..n]);
                    show(&chunk[..n]);
                }
            }
        }
    })
}

fn show(chunk: &[u8]) {
    let said = text::safe_block(&String::from_utf8_lossy(chunk));
    let mut terminal = std::io::stdout().lock();
    let _ = terminal.write_all(said.as_bytes()).and_then(|()| terminal.flush());
}

/// The main function of the supervisor's child: copies the output of the window to its own, until the window is over.
pub(in crate::exec) fn relay(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(folder) = args.next().map(PathBuf::from) else { return ExitCode::FAILURE };
    match copy_window(folder) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            let _ = std::io::stderr().write_all(format!("teof: cannot read what the window shows: {e}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn copy_window(folder: PathBuf) -> std::io::Result<()> {
    // Each waits for its other end, which is never opened when the window could not start our binary.
    let (send, opened) = std::sync::mpsc::channel();
    Builder::new().spawn(move || send.send(PIPES.map(|pipe| File::open(folder.join(pipe)))))?;
    let Ok([Ok(mut out), Ok(mut err)]) = opened.recv_timeout(START) else {
        return Err(std::io::Error::other("the window did not start the program"));
    };
    let errors = Builder::new().spawn(move || std::io::copy(&mut err, &mut std::io::stderr()))?;
    let copied = std::io::copy(&mut out, &mut std::io::stdout());
    errors.join().map_err(|_| std::io::Error::other("a thread ended early"))?.and(copied).map(drop)
}
