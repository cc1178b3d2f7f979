//! Runs our own binary next to a supervised program, which must not take it for a part of the program's tree.
//!
//! The supervisor adopts every orphan below it and ends those that a program leaves. A command that is run from here is
//! a child of the same process, but not left by the program: [`Beside`] has its pid until it is waited for.

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;

use super::own_binary::own_binary;
use super::processes::Beside;
use super::processes::process_tree::is_over;
use crate::base::Result;

/// How often to check for the end of a command where the kernel does not tell it.
const TICK: Duration = Duration::from_millis(5);

/// A command of our own binary.
#[derive(Debug)]
pub struct OwnCommand {
    pub arguments: Vec<String>,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    pub folder: PathBuf,
    /// `None`: empty.
    pub stdin: Option<OwnedFd>,
    pub stdout: OwnedFd,
    pub stderr: OwnedFd,
}

impl OwnCommand {
    /// Runs it to its end; its exit code, or `None` when it was killed, at the limit at the latest.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn run(self, beside: &Beside, limit: Duration) -> Result<Option<i32>> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(own_binary().context("find our own binary")?);
        command
            .arg0("teof")
            .args(&self.arguments)
            .env_clear()
            .envs(self.env.iter().map(|(name, value)| (name, value)))
            .current_dir(&self.folder)
            .stdin(self.stdin.map_or_else(Stdio::null, Stdio::from))
            .stdout(self.stdout)
            .stderr(self.stderr);
        // Hold the list from spawn to entry, so that the reaper does not see an unlisted child.
        let mut running = beside.running();
        let mut child = command.spawn().context("start a command of our own")?;
        running.insert(child.id().cast_signed());
        drop(running);
        // It holds our copies of the caller's files: a reader of them must see their end.
        drop(command);
        wait(&child, limit);
        let mut running = beside.running();
        let _ = child.kill();
        let ended = child.wait().context("wait for a command of our own");
        running.remove(&child.id().cast_signed());
        Ok(ended?.code())
    }
}

/// Returns when the child is over or the limit is reached. It is not reaped here, so that its pid stays its own.
fn wait(child: &Child, limit: Duration) {
    let deadline = Instant::now() + limit;
    while Instant::now() < deadline && !is_over(child).unwrap_or(true) {
        wait_a_little(child, deadline.saturating_duration_since(Instant::now()));
    }
}

#[cfg(target_os = "linux")]
fn wait_a_little(child: &Child, left: Duration) {
    use rustix::event::{PollFd, PollFlags, Timespec, poll};
    use rustix::process::{Pid, PidfdFlags, pidfd_open};
    let process = Pid::from_raw(child.id().cast_signed()).map(|pid| pidfd_open(pid, PidfdFlags::empty()));
    match (process, Timespec::try_from(left)) {
        (Some(Ok(process)), Ok(left)) => drop(poll(&mut [PollFd::new(&process, PollFlags::IN)], Some(&left))),
        _ => std::thread::sleep(TICK.min(left)),
    }
}

#[cfg(not(target_os = "linux"))]
fn wait_a_little(_: &Child, left: Duration) {
    std::thread::sleep(TICK.min(left));
}
