//! Programs that talk to a network: ended when they take too long, and never asked anything.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal};

use crate::base::{Refusal, Result};

/// How long one may take.
pub const LIMIT: Duration = Duration::from_secs(20);
/// How often it is looked at.
const TICK: Duration = Duration::from_millis(10);

/// Runs a program to its end; `what` names it in refusals.
///
/// # Errors
/// `remote.timed_out` (exit 5): it was ended, with its children.
pub fn run(command: &mut Command, what: &str) -> Result<Output> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .with_context(|| format!("start {what}"))?;
    let (out, err) = (drain(child.stdout.take()), drain(child.stderr.take()));
    let until = Instant::now() + LIMIT;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        if Instant::now() >= until {
            if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
                let _ = rustix::process::kill_process_group(group, Signal::KILL);
            }
            child.wait()?;
            return Err(Refusal::new(crate::base::Exit::TimedOut, "remote.timed_out", format!("{what} took too long"))
                .because(format!("it was ended after {} seconds", LIMIT.as_secs()))
                .next("see whether the remote answers, then try again")
                .into());
        }
        std::thread::sleep(TICK);
    };
    let text = |reader: std::thread::JoinHandle<Vec<u8>>| reader.join().unwrap_or_default();
    Ok(Output { status, stdout: text(out), stderr: text(err) })
}

fn drain(pipe: Option<impl Read + Send + 'static>) -> std::thread::JoinHandle<Vec<u8>> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut pipe) = pipe {
            let _ = pipe.read_to_end(&mut bytes);
        }
        bytes
    })
}
