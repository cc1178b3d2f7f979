//! Between fork and program: the hidden mode of our own binary that prepares a process and becomes it.
//!
//! Making a session and asking for a signal on the parent's death must happen in the child, before
//! the program runs. The usual hook for that is `unsafe`, which this crate forbids, and the crates
//! that wrap it know sessions but not the death signal. So the child is first our own binary, which
//! does both with safe calls and then replaces itself. It also tells "the program could not be
//! started" from "the program ended with 127", which a shell cannot.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use rustix::stdio;

use super::{ancestry, reaper};

/// The first argument that selects this mode. What follows: our pid, where the program's stderr goes
/// ([`MERGED`], or a path that opens a pipe), the program, its arguments.
const MODE: &str = "__launch";
const MERGED: &str = "-";

/// The other mode: only a session of its own; the program outlives us. What follows: the program, its arguments.
const DETACH: &str = "__detach";

/// A command that will be our own binary with `arguments`, in its own session, outliving this process.
pub fn detached(arguments: &[&str]) -> std::io::Result<Command> {
    let own = own_binary()?;
    let mut command = Command::new(&own);
    command.arg(DETACH).arg(&own).args(arguments);
    Ok(command)
}

/// A command that will be `argv`, in its own session, ended when this thread's process dies.
///
/// The caller gives it stdin, stdout, and a pipe as stderr: the pipe carries the reason when the
/// program could not be started and is closed, empty, when it was. The program's own stderr is its
/// stdout, or the pipe `apart`, which must stay open until that status was read.
pub(super) fn command(launcher: &OsStr, apart: Option<&Apart>, argv: &[String]) -> Command {
    let stderr = apart.map_or(MERGED.to_owned(), Apart::path);
    let mut command = Command::new(launcher);
    command.arg(MODE).arg(std::process::id().to_string()).arg(stderr).args(argv);
    command
}

/// A pipe's end that a launcher opens for itself: the standard library hands on three descriptors only.
pub(super) struct Apart(OwnedFd);

impl Apart {
    /// On Linux a launcher opens ours, which nobody inherits. Elsewhere there is no such way, and it inherits it.
    pub fn offer(end: BorrowedFd) -> std::io::Result<Self> {
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

/// Where our own binary is: on Linux the running one, even if its file was replaced meanwhile.
pub(super) fn own_binary() -> std::io::Result<OsString> {
    if cfg!(target_os = "linux") {
        return Ok("/proc/self/exe".into());
    }
    std::env::current_exe().map(Into::into)
}

/// To be called first in `main`: when the arguments select one of the hidden modes, this is the whole
/// process. Becoming the program does not return.
pub fn become_program() -> Option<ExitCode> {
    let mut args = std::env::args_os().skip(1);
    let mode = args.next()?;
    if mode == reaper::MODE {
        return Some(reaper::watch_over(args));
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
    let program: Vec<OsString> = args.collect();
    Some(match prepare(parent, &stderr, &program) {
        Ok(never) => match never {},
        Err(_) => ExitCode::from(127),
    })
}

fn prepare(parent: Option<i32>, stderr: &OsStr, argv: &[OsString]) -> std::io::Result<std::convert::Infallible> {
    // Kept apart from stderr, and closed by the kernel at the moment the program takes over.
    let mut status = std::fs::File::from(rustix::io::fcntl_dupfd_cloexec(stdio::stderr(), 3)?);
    let failed = match (apart(parent, stderr), argv) {
        (Ok(()), [program, args @ ..]) => Command::new(program).args(args).exec(),
        (Ok(()), []) => std::io::Error::other("no program was named"),
        (Err(e), _) => e,
    };
    status.write_all(failed.to_string().as_bytes())?;
    Err(failed)
}

fn detach(argv: &[OsString]) -> std::io::Result<std::convert::Infallible> {
    rustix::process::setsid()?;
    let [program, args @ ..] = argv else { return Err(std::io::Error::other("no program was named")) };
    Err(Command::new(program).arg0("teof").args(args).exec())
}

fn apart(parent: Option<i32>, stderr: &OsStr) -> std::io::Result<()> {
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
