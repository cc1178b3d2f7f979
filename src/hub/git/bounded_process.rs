//! Runs a program that talks to a network, with limits on its time and its output, and without prompts.

use std::io::{ErrorKind, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions};

use crate::base::{Exit, Refusal, Result, time};

/// After this time `waiting` is called.
const QUIET: Duration = Duration::from_secs(1);
/// How often it is polled.
const TICK: Duration = Duration::from_millis(10);
/// How long other processes may keep its output open after it ends.
const LINGER: Duration = Duration::from_millis(500);
/// Limit on the output; no needed output of git or gh is that long.
const MOST: usize = 4 * 1024 * 1024;

/// Runs a program for at most `limit`. `what` names it in refusals; `waiting` is called once when it takes more than
/// a moment. Leftover processes that hold its output open are killed.
///
/// # Errors
/// `remote.timed_out` (exit 5): it was stopped, with its children; `remote.too_much`: it printed too much.
pub fn run(command: &mut Command, what: &str, limit: Duration, waiting: &dyn Fn()) -> Result<Output> {
    let (output, is_whole) = execute(command, what, limit, waiting, Kept::Start)?;
    if !is_whole {
        return Err(Refusal::guard("remote.too_much", format!("{what} printed too much"))
            .because(format!("the limit is {} MiB", MOST >> 20))
            .next("run it by hand to see its output")
            .into());
    }
    Ok(output)
}

/// Like [`run`], for a log: of an output that is too long, the end is returned.
///
/// # Errors
/// `remote.timed_out`.
pub fn run_for_end(command: &mut Command, what: &str, limit: Duration) -> Result<Output> {
    Ok(execute(command, what, limit, &|| (), Kept::End)?.0)
}

/// The output, and whether all of it was kept.
fn execute(
    command: &mut Command,
    what: &str,
    limit: Duration,
    waiting: &dyn Fn(),
    keep: Kept,
) -> Result<(Output, bool)> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {what}"))?;
    let readers =
        Reader::on(child.stdout.take(), keep).and_then(|out| Ok((out, Reader::on(child.stderr.take(), keep)?)));
    let (out, err) = match readers {
        Ok(readers) => readers,
        Err(e) => {
            end_group(&child);
            child.wait()?;
            return Err(e).with_context(|| format!("start {what}"));
        }
    };
    let begun = Instant::now();
    let mut told = false;
    while !has_ended(&child)? {
        if begun.elapsed() >= limit {
            end_group(&child);
            child.wait()?;
            return Err(Refusal::new(Exit::TimedOut, "remote.timed_out", format!("{what} took too long"))
                .because(format!("it was stopped after {}", time::show_span(limit)))
                .next("check whether the remote answers, then try again")
                .into());
        }
        if !told && begun.elapsed() >= QUIET {
            told = true;
            waiting();
        }
        std::thread::sleep(TICK);
    }
    let closed = |until: Instant| out.closes(until) && err.closes(until);
    if !closed(Instant::now() + LINGER) {
        end_group(&child);
        // Processes that also left the group are not waited for.
        closed(Instant::now() + LINGER);
    }
    let status = child.wait()?;
    let (stdout, is_whole) = out.kept();
    Ok((Output { status, stdout, stderr: err.kept().0 }, is_whole))
}

/// Whether the program itself has ended. It is not reaped yet, so that its process group id is not reused.
fn has_ended(child: &Child) -> Result<bool> {
    let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    let pid = Pid::from_raw(child.id().cast_signed()).context("a process has an id")?;
    match rustix::process::waitid(WaitId::Pid(pid), options) {
        Ok(status) => Ok(status.is_some()),
        Err(rustix::io::Errno::INTR) => Ok(false),
        Err(e) => Err(e).context("wait for a program"),
    }
}

fn end_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// What is kept of an output that is longer than [`MOST`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kept {
    Start,
    End,
}

/// Reads an output while the program runs; bytes past the limit are discarded.
struct Reader {
    /// The bytes, and whether they are complete.
    kept: Arc<Mutex<(Vec<u8>, bool)>>,
    open: Receiver<()>,
}

impl Reader {
    fn on(pipe: Option<impl Read + Send + 'static>, keep: Kept) -> std::io::Result<Reader> {
        let kept = Arc::new(Mutex::new((Vec::new(), true)));
        let (reading, open) = mpsc::channel();
        let into = Arc::clone(&kept);
        std::thread::Builder::new().spawn(move || {
            if let Some(pipe) = pipe {
                drain(pipe, &into, keep);
            }
            drop(reading);
        })?;
        Ok(Reader { kept, open })
    }

    /// Whether everybody has closed it by then.
    fn closes(&self, until: Instant) -> bool {
        let wait = until.saturating_duration_since(Instant::now());
        matches!(self.open.recv_timeout(wait), Err(RecvTimeoutError::Disconnected))
    }

    fn kept(&self) -> (Vec<u8>, bool) {
        self.kept.lock().map(|mut kept| (std::mem::take(&mut kept.0), kept.1)).unwrap_or_default()
    }
}

fn drain(mut pipe: impl Read, into: &Mutex<(Vec<u8>, bool)>, keep: Kept) {
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = match pipe.read(&mut buffer) {
            Ok(0) => return,
            Ok(read) => read,
            Err(e) if e.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return,
        };
        let Ok(mut kept) = into.lock() else { return };
        let room = match keep {
            Kept::Start => read.min(MOST.saturating_sub(kept.0.len())),
            Kept::End => read,
        };
        kept.0.extend_from_slice(&buffer[..room]);
        kept.1 &= room == read;
        // Not with each read, or all of it would be moved each time.
        if keep == Kept::End && kept.0.len() >= 2 * MOST {
            let past = kept.0.len() - MOST;
            kept.0.drain(..past);
            kept.1 = false;
        }
    }
}
