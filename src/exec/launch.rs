//! The hidden modes of our own binary that prepare a child process and then exec the program.
//!
//! The child must make a session and ask for a signal on its parent's death before the program runs. The usual
//! hook for that is `unsafe`, which this crate forbids, and the crates that wrap it support sessions but not the
//! death signal. So the child first runs our own binary, which does both with safe calls and then execs. It also
//! distinguishes "the program could not be started" from "the program exited with 127", which a shell cannot. And it
//! confines itself, and so the program, which the supervisor must not do to itself.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::stdio;

use super::confinement::{self, Confinement};
use super::limits::Placement;
use super::own_binary::own_binary;
use super::processes::{ancestry, reaper};

/// The first argument that selects this mode. What follows: our pid, where the program's stderr goes
/// ([`MERGED`], or a path that opens a pipe), its placement, its confinement, the program, its arguments.
const MODE: &str = "__launch";
const MERGED: &str = "-";

/// The other mode: only makes a session; the program outlives us. What follows: the program, its arguments.
const DETACH: &str = "__detach";

/// A command that runs our own binary with `arguments`, in its own session; it outlives this process.
pub fn detached(arguments: &[&str]) -> std::io::Result<Command> {
    let own = own_binary()?;
    let mut command = Command::new(&own);
    command.arg(DETACH).arg(&own).args(arguments);
    Ok(command)
}

/// A command that runs `argv`, in its own session, and is killed when this thread's process dies.
///
/// The caller sets stdin, stdout, and a pipe as stderr: when the program could not be started, the reason is
/// written to that pipe; when it was, the pipe is closed and empty. The program's own stderr is its stdout, or
/// the pipe `stderr`, which must stay open until that status was read.
pub(super) fn command(
    launcher: &OsStr,
    stderr: Option<&StderrPipe>,
    placement: &Placement,
    confinement: Option<&Confinement>,
    argv: &[String],
) -> Command {
    let stderr = stderr.map_or(MERGED.to_owned(), StderrPipe::path);
    let mut command = Command::new(launcher);
    command.arg(MODE).arg(std::process::id().to_string()).arg(stderr).arg(placement.argument());
    command.arg(Confinement::argument(confinement)).args(argv);
    command
}

/// The write end of a pipe for a program's stderr. The launcher opens it by path: the standard library passes on
/// three descriptors only.
pub(super) struct StderrPipe(OwnedFd);

impl StderrPipe {
    /// On Linux the launcher opens our descriptor, which is not inherited. Elsewhere it has to inherit it.
    pub fn new(end: BorrowedFd) -> std::io::Result<Self> {
        let own = end.try_clone_to_owned()?;
        if cfg!(not(target_os = "linux")) {
            rustix::io::fcntl_setfd(&own, rustix::io::FdFlags::empty())?;
        }
        Ok(Self(own))
    }

    fn path(&self) -> String {
        let descriptor = self.0.as_raw_fd();
        match cfg!(target_os = "linux") {
            true => format!("/proc/{}/fd/{descriptor}", std::process::id()),
            false => format!("/dev/fd/{descriptor}"),
        }
    }
}

/// Runs the mode that the arguments select, if they do. It does not return when it execs a program.
pub(super) fn run_hidden_mode() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let mode = args.next()?;
    if mode == reaper::MODE {
        return Some(reaper::run(args));
    }
    if mode == DETACH {
        let program: Vec<OsString> = args.collect();
        return Some(match detach(&program) {
            Ok(never) => match never {},
            Err(_) => ExitCode::from(127),
        });
    }
    if mode != MODE {
        return None;
    }
    let parent = args.next().and_then(|pid| pid.to_str()?.parse().ok());
    let stderr = args.next().unwrap_or_else(|| MERGED.into());
    let (placement, confinement) = (args.next().unwrap_or_default(), args.next().unwrap_or_default());
    let program: Vec<OsString> = args.collect();
    Some(match prepare(parent, &stderr, (&placement, &confinement), &program) {
        Ok(never) => match never {},
        Err(_) => ExitCode::from(127),
    })
}

fn prepare(
    parent: Option<i32>,
    stderr: &OsStr,
    (placement, confinement): (&OsStr, &OsStr),
    argv: &[OsString],
) -> std::io::Result<std::convert::Infallible> {
    // A descriptor of its own, which the kernel closes on exec.
    let mut status = std::fs::File::from(rustix::io::fcntl_dupfd_cloexec(stdio::stderr(), 3)?);
    // Confined last: what comes before looks at the supervisor.
    let placed = set_up(parent, stderr).and_then(|()| Placement::apply(&placement.to_string_lossy()));
    let ready = placed.and_then(|()| confine(confinement));
    let failed = match (ready, argv) {
        (Ok(()), [program, args @ ..]) => Command::new(program).args(args).exec(),
        (Ok(()), []) => std::io::Error::other("no program was named"),
        (Err(e), _) => e,
    };
    status.write_all(failed.to_string().as_bytes())?;
    Err(failed)
}

fn confine(confinement: &OsStr) -> std::io::Result<()> {
    let confinement = Confinement::from_argument(&confinement.to_string_lossy())?;
    let applied = confinement.as_ref().map_or(Ok(()), confinement::apply);
    applied.map_err(|e| std::io::Error::other(format!("cannot be confined: {e}")))
}

fn detach(argv: &[OsString]) -> std::io::Result<std::convert::Infallible> {
    rustix::process::setsid()?;
    let [program, args @ ..] = argv else { return Err(std::io::Error::other("no program was named")) };
    Err(Command::new(program).arg0("teof").args(args).exec())
}

fn set_up(parent: Option<i32>, stderr: &OsStr) -> std::io::Result<()> {
    match stderr == MERGED {
        true => stdio::dup2_stderr(stdio::stdout().as_fd())?,
        false => stdio::dup2_stderr(std::fs::File::options().write(true).open(stderr)?.as_fd())?,
    }
    rustix::process::setsid()?;
    ancestry::mark();
    #[cfg(target_os = "linux")]
    {
        rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
        // The parent may have died before the line above; then no signal will ever come.
        let now = rustix::process::getppid().map(|pid| pid.as_raw_nonzero().get());
        if parent.is_some() && now != parent {
            return Err(std::io::Error::other("the supervisor is gone"));
        }
    }
    let _ = parent;
    Ok(())
}
