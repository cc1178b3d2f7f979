//! Ends a process tree when its supervisor is killed.
//!
//! The kernel kills a supervised program together with its supervisor, but not what the program has started. So a
//! second process of ours, in its own session, waits until the supervisor is gone: it reads a pipe that the
//! supervisor holds open and never writes to. Then it ends every process whose environment contains the marks.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::process_tree::ProcessTree;
use super::termination::end_tree;
use crate::base::{Result, files};
use crate::exec::own_binary::own_binary;

/// The first argument that selects this mode. What follows: the grace in milliseconds, when the supervisor started
/// (see [`ProcessTree::since`]), `name=value`s; after [`THEN`], the folders to remove; after another, our own arguments
/// for what is left to do.
pub(in crate::exec) const MODE: &str = "__guard";

const THEN: &str = "--";

/// What follows after a supervisor was killed and its process tree has ended: for what lives elsewhere.
#[derive(Clone, Debug, Default)]
pub struct AfterDeath {
    /// Folders of this account, which are removed.
    pub folders: Vec<PathBuf>,
    /// What our binary is called with; empty: nothing.
    pub args: Vec<String>,
    pub env: Vec<(String, String)>,
}

/// The running reaper of a process tree, until it is dropped.
#[derive(Debug)]
pub struct Reaper {
    child: Child,
    /// Closed by the kernel when we die, however we die.
    alive: Option<ChildStdin>,
}

impl Reaper {
    pub(in crate::exec) fn start(
        launcher: &OsStr,
        marks: &[(String, String)],
        grace: Duration,
        since: u64,
        after: AfterDeath,
    ) -> Result<Self> {
        let mut child = Command::new(launcher)
            .arg(MODE)
            .args([grace.as_millis().to_string(), since.to_string()])
            .args(marks.iter().map(|(name, value)| format!("{name}={value}")))
            .arg(THEN)
            .args(after.folders)
            .arg(THEN)
            .args(after.args)
            .env_clear()
            .envs(after.env)
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start a reaper")?;
        let alive = child.stdin.take();
        Ok(Self { child, alive })
    }
}

impl Drop for Reaper {
    /// Lets the reaper look once more and waits until it has exited.
    fn drop(&mut self) {
        // A byte means a normal end; a killed supervisor writes none.
        let told = self.alive.take().map(|mut alive| alive.write_all(b"."));
        drop(told);
        let _ = self.child.wait();
    }
}

/// The main function of the reaper process.
pub(in crate::exec) fn run(args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let mut args = args.filter_map(|arg| arg.into_string().ok());
    let grace = args.next().and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_millis);
    let since = args.next().and_then(|ticks| ticks.parse().ok()).unwrap_or_default();
    let mark = |text: String| text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()));
    let marks: Vec<_> = args.by_ref().take_while(|arg| arg != THEN).filter_map(mark).collect();
    let folders: Vec<PathBuf> = args.by_ref().take_while(|arg| arg != THEN).map(PathBuf::from).collect();
    let then: Vec<String> = args.collect();
    // A signal to the supervisor's group or terminal is not for us.
    let _ = rustix::process::setsid();
    let mut told = Vec::new();
    let _ = std::io::stdin().read_to_end(&mut told);
    end_tree(&ProcessTree { marks, since, ..ProcessTree::default() }, grace);
    if told.is_empty() {
        for folder in folders {
            // A failure cannot be reported: the supervisor is gone.
            let _ = files::remove_own_folder(&folder);
        }
        if let (false, Ok(own)) = (then.is_empty(), own_binary()) {
            let _ = Command::new(own).args(then).stdin(Stdio::null()).status();
        }
    }
    ExitCode::SUCCESS
}
