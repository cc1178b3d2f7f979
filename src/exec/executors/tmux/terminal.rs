//! A terminal for a person: the process in the window starts the program there, waits for it, and notes how it ended.
//!
//! It finds what to run in a file, because arguments can be read by every account of the machine.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, ExitStatus};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGINT, SIGQUIT, SIGTERM};

use super::log;
use super::server::Server;
use crate::base::{files, text};
use crate::exec::own_binary;

/// The first argument that selects this process. What follows: the window's folder.
pub(in crate::exec) const MODE: &str = "__window";

/// What to run, and how it ended.
const SPEC: &str = "window.json";
const END: &str = "window-end.json";
/// How long the end of a terminal's output may take into its log.
const FLUSH: Duration = Duration::from_secs(2);

/// What a window runs.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Job {
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    pub env: Vec<(String, String)>,
    /// The file for what the terminal shows.
    pub log: PathBuf,
    /// Its limit, in bytes.
    pub max_log: u64,
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

/// Writes what the window of a folder is to run.
pub(super) fn prepare(folder: &Path, job: &Job) -> crate::base::Result<()> {
    let _ = std::fs::remove_file(folder.join(END));
    private(&folder.join(SPEC), &serde_json::to_vec(job)?)
}

/// Removes what [`prepare`] made, and how the program ended.
pub(super) fn clear(folder: &Path) {
    for name in [SPEC, END] {
        let _ = std::fs::remove_file(folder.join(name));
    }
}

fn private(path: &Path, bytes: &[u8]) -> crate::base::Result<()> {
    let open = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    open.and_then(|mut file| file.write_all(bytes)).map_err(|e| files::io_refusal(e, "write", path))
}

/// The main function of the process in a window.
pub(in crate::exec) fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    let Some(folder) = args.next().map(PathBuf::from) else { return ExitCode::FAILURE };
    let Some(job) = read_job(&folder) else { return ExitCode::FAILURE };
    let ended = in_terminal(&job).unwrap_or_else(|e| Ended::NotStarted(text::safe(&e.to_string())));
    let written = files::replace_unsynced(&folder.join(END), &serde_json::to_vec(&ended).unwrap_or_default());
    if written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read_job(folder: &Path) -> Option<Job> {
    let path = folder.join(SPEC);
    let bytes = std::fs::read(&path).ok()?;
    let _ = std::fs::remove_file(&path);
    serde_json::from_slice(&bytes).ok()
}

/// Runs the program with the window's terminal as its own.
fn in_terminal(job: &Job) -> std::io::Result<Ended> {
    // Keys like Ctrl-C are for the program, and who ends it signals this process, too; on exec the handlers are gone.
    // Not SIGHUP: this process ends with its terminal, and the kernel then hangs up the program.
    let ignored = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
    for signal in [SIGINT, SIGQUIT, SIGTERM] {
        signal_hook::flag::register(signal, ignored.clone())?;
    }
    let of_tmux = |name: &str| crate::base::env::var(name);
    let mut is_logged = false;
    if let (Some(tmux), Some(pane)) = (of_tmux("TMUX"), of_tmux("TMUX_PANE"))
        && let Some(socket) = tmux.split(',').next()
    {
        match keep_log(Path::new(socket), &pane, job) {
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
        tell_end(&ended, &job.log);
    }
    Ok(ended)
}

/// Has tmux copy what the terminal shows to its log.
fn keep_log(socket: &Path, pane: &str, job: &Job) -> crate::base::Result<()> {
    let own = own_binary::own_file()?;
    let (own, file) = (own.display().to_string(), job.log.display().to_string());
    Server::pipe(socket, pane, &[&own, log::MODE, &file, &job.max_log.to_string()])
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
