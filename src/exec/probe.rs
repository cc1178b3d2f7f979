//! Runs a program briefly, without a supervisor, to read something short such as its version.

use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::processes::Beside;
use super::processes::process_tree::{self, ProcessTree};
use crate::base::Clock;

/// How much output is read, in bytes.
const MAX_ANSWER: u64 = 64 << 10;
/// How often to check whether the program is over.
const TICK: Duration = Duration::from_millis(10);
/// How long to read its pipes after it is over: a child that it left may hold them open. What the program itself printed
/// is in them already, and only has to be read.
const DRAIN: Duration = Duration::from_millis(200);

/// The result of a probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It exited with 0; its stdout, or its stderr if that is empty.
    Printed(String),
    /// How it ended (another code or a signal) and what it printed.
    Failed(String, String),
    /// It ran too long and was killed.
    TimedOut,
    /// Why it could not be started.
    NotStarted(String),
}

/// The variable by which the process tree of one probe is found.
const MARK: &str = "TEOF_ASKED";
/// How often to look for members that are left: some may start while others are killed.
const LOOKS: usize = 10;

/// Runs `argv` in `folder` with this environment and no stdin, for at most `timeout`. Then it kills what is left
/// of the process tree, inside the process group or not.
pub fn probe(argv: &[String], folder: &Path, env: &[(String, String)], timeout: Duration) -> Answer {
    run(argv, folder, env, None, timeout)
}

/// As [`probe`], for a program that reads `stdin`.
pub fn probe_with_input(
    argv: &[String],
    folder: &Path,
    env: &[(String, String)],
    stdin: &[u8],
    timeout: Duration,
) -> Answer {
    run(argv, folder, env, Some(stdin.to_owned()), timeout)
}

fn run(argv: &[String], folder: &Path, env: &[(String, String)], input: Option<Vec<u8>>, timeout: Duration) -> Answer {
    let Some((program, args)) = argv.split_first() else {
        return Answer::NotStarted("no program was named".to_owned());
    };
    let mark = fresh_mark();
    let mut command = Command::new(program);
    command
        .args(args)
        .current_dir(folder)
        .env_clear()
        .envs(env.iter().map(|(name, value)| (name, value)))
        .env(MARK, &mark)
        .process_group(0)
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) => return Answer::NotStarted(format!("{program}: {e}")),
    };
    if let Some((mut stdin, input)) = child.stdin.take().zip(input) {
        // One that reads nothing is over, or is killed in time; then the pipe is closed.
        let written = std::thread::Builder::new().spawn(move || stdin.write_all(&input));
        if let Err(e) = written {
            end_group(&child);
            drop(child.wait());
            return Answer::NotStarted(format!("{program}: {e}"));
        }
    }
    answer(child, None, timeout, |child| {
        end_tree(child, mark);
        end_group(child);
    })
}

/// Runs a client for at most `timeout`, and kills it alone: the server that it starts lives on. `beside`: next to a
/// supervised program.
pub(in crate::exec) fn ask_client(command: &mut Command, timeout: Duration, beside: Option<&Beside>) -> Answer {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // Listed before anybody looks at the children of this process.
    let mut running = beside.map(Beside::running);
    let child = match command.spawn() {
        Ok(child) => child,
        Err(e) => return Answer::NotStarted(e.to_string()),
    };
    running.as_mut().map(|running| running.insert(child.id().cast_signed()));
    drop(running);
    answer(child, beside, timeout, |child| drop(child.kill()))
}

/// Waits for a child's answer; `end` kills what is left of it.
fn answer(mut child: Child, beside: Option<&Beside>, timeout: Duration, end: impl FnOnce(&mut Child)) -> Answer {
    let readers = read_all(child.stdout.take()).and_then(|out| Ok((out, read_all(child.stderr.take())?)));
    let (stdout, stderr) = match readers {
        Ok(readers) => readers,
        Err(e) => {
            end(&mut child);
            drop(reap(&mut child, beside));
            return Answer::NotStarted(e.to_string());
        }
    };
    let in_time = wait(&child, timeout);
    end(&mut child);
    // Reaped last: before that, no other process gets its pid.
    let status = reap(&mut child, beside).ok().filter(|_| in_time);
    let printed = |from: &Receiver<Vec<u8>>| {
        let bytes = from.recv_timeout(DRAIN).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    let (out, err) = (printed(&stdout), printed(&stderr));
    let printed = if out.is_empty() { err.clone() } else { out };
    match status {
        None => Answer::TimedOut,
        Some(status) if status.success() => Answer::Printed(printed),
        Some(status) => {
            let how = match status.code() {
                Some(code) => format!("exit code {code}"),
                None => format!("signal {} ended it", status.signal().unwrap_or_default()),
            };
            Answer::Failed(how, if err.is_empty() { printed } else { err })
        }
    }
}

/// Waits for a child that is over or was killed. From then on its pid is not one of those beside.
fn reap(child: &mut Child, beside: Option<&Beside>) -> std::io::Result<ExitStatus> {
    let mut running = beside.map(Beside::running);
    let status = child.wait();
    running.as_mut().map(|running| running.remove(&child.id().cast_signed()));
    status
}

/// Whether the program is over in time. It is not reaped.
fn wait(child: &Child, timeout: Duration) -> bool {
    let until = Instant::now() + timeout;
    loop {
        match process_tree::is_over(child) {
            Ok(false) if Instant::now() < until => std::thread::sleep(TICK),
            over => return over.unwrap_or(false),
        }
    }
}

/// A value that no other probe has.
fn fresh_mark() -> String {
    static PROBES: AtomicU64 = AtomicU64::new(0);
    let now = Clock::Machine.now().unix();
    format!("{}-{now}-{}", std::process::id(), PROBES.fetch_add(1, Ordering::Relaxed))
}

/// Call this before the child is reaped: until then no other process can get its pid.
fn end_tree(child: &Child, mark: String) {
    let root = Some(child.id().cast_signed());
    let marks = vec![(MARK.to_owned(), mark)];
    let tree =
        ProcessTree { root, marks, adopted_except: None, since: process_tree::own_start(), ..ProcessTree::default() };
    for _ in 0..LOOKS {
        let living = tree.living();
        if living.is_empty() {
            return;
        }
        living.iter().for_each(|process| process.end(true));
        std::thread::sleep(TICK);
    }
}

/// The child's pid stays the group's id while a process is in the group.
fn end_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// Reads in a separate thread, which ends with the pipe.
fn read_all(pipe: Option<impl Read + Send + 'static>) -> std::io::Result<Receiver<Vec<u8>>> {
    let (to, from) = mpsc::channel();
    std::thread::Builder::new().spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MAX_ANSWER).read_to_end(&mut bytes);
        }
        let _ = to.send(bytes);
    })?;
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(line: &str, timeout: u64) -> Answer {
        let argv = ["/bin/sh", "-c", line].map(str::to_owned);
        probe(&argv, Path::new("/"), &[("A".to_owned(), "b".to_owned())], Duration::from_millis(timeout))
    }

    #[test]
    fn an_answer_is_what_is_printed() {
        assert_eq!(sh("echo \"$A${HOME-}\"; echo talk >&2", 9_000), Answer::Printed("b".to_owned()));
        assert_eq!(sh("echo talk >&2", 9_000), Answer::Printed("talk".to_owned()));
        assert_eq!(sh("echo no >&2; exit 3", 9_000), Answer::Failed("exit code 3".to_owned(), "no".to_owned()));
        assert!(matches!(probe(&["/nowhere".to_owned()], Path::new("/"), &[], TICK), Answer::NotStarted(_)));
        let argv = ["/bin/cat".to_owned()];
        assert_eq!(
            probe_with_input(&argv, Path::new("/"), &[], b"word", Duration::from_secs(9)),
            Answer::Printed("word".into())
        );
        assert_eq!(sh("read line && echo \"$line\"", 9_000), Answer::Failed("exit code 1".to_owned(), String::new()));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_process_that_left_the_group_is_killed_too() {
        for (end, timeout) in [("sleep 600", 300), ("sleep 0.2", 9_000)] {
            let folder = tempfile::tempdir().unwrap();
            let pid = folder.path().join("pid");
            sh(
                &format!("setsid sh -c 'echo $$ > {0}; exec sleep 600' >/dev/null 2>&1 & {end}", pid.display()),
                timeout,
            );
            let pid = std::fs::read_to_string(pid).unwrap();
            assert!(!Path::new("/proc").join(pid.trim()).join("exe").exists(), "{pid} lives on after {end}");
        }
    }

    #[test]
    fn a_probe_ends_at_its_timeout() {
        assert_eq!(sh("sleep 600 & sleep 600", 50), Answer::TimedOut);
        // A child that holds the pipes is ended too.
        assert_eq!(sh("sleep 600 & echo 1.0", 9_000), Answer::Printed("1.0".to_owned()));
    }
}
