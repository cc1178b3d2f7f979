//! Ends a family when its supervisor dies too suddenly to do it itself.
//!
//! The kernel ends a supervised program together with its supervisor, but not what the program has
//! started. So a second process of ours, in a session of its own, waits until the supervisor is gone:
//! it holds the far end of a pipe that nobody writes to. Then it ends whoever carries the marks.

use std::ffi::OsStr;
use std::io::Read;
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;

use super::process_tree::Family;
use super::supervise::end_family;
use crate::base::Result;

/// The first argument that selects this mode. What follows: the grace in milliseconds, when the supervisor started
/// (see [`Family::since`]), `name=value`s.
pub(super) const MODE: &str = "__guard";

/// Watches over a family until it is dropped.
#[derive(Debug)]
pub struct Guardian {
    child: Child,
    /// Closed by the kernel when we die, however we die.
    alive: Option<ChildStdin>,
}

impl Guardian {
    pub(super) fn start(launcher: &OsStr, marks: &[(String, String)], grace: Duration, since: u64) -> Result<Self> {
        let mut child = Command::new(launcher)
            .arg(MODE)
            .args([grace.as_millis().to_string(), since.to_string()])
            .args(marks.iter().map(|(name, value)| format!("{name}={value}")))
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("start a guardian")?;
        let alive = child.stdin.take();
        Ok(Self { child, alive })
    }
}

impl Drop for Guardian {
    /// Lets it look once more, and waits for it: when this returns it is gone.
    fn drop(&mut self) {
        drop(self.alive.take());
        let _ = self.child.wait();
    }
}

/// The guardian's whole life.
pub(super) fn watch_over(args: impl Iterator<Item = std::ffi::OsString>) -> ExitCode {
    let mut args = args.filter_map(|arg| arg.into_string().ok());
    let grace = args.next().and_then(|text| text.parse().ok()).map_or(Duration::ZERO, Duration::from_millis);
    let since = args.next().and_then(|ticks| ticks.parse().ok()).unwrap_or_default();
    let marks: Vec<_> =
        args.filter_map(|mark| mark.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))).collect();
    // A signal to the supervisor's group or terminal is not for us.
    let _ = rustix::process::setsid();
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    end_family(&Family { marks, since, ..Family::default() }, grace);
    ExitCode::SUCCESS
}
