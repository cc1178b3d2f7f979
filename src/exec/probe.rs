//! Asks a program something short, such as its version: runs it apart, for a bounded time, and takes what
//! it prints. For programs that are not under supervision and may be anything.

use std::io::Read;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use super::process_tree::{self, Family};
use crate::base::Clock;

/// More than that is no answer.
const MAX_ANSWER: u64 = 64 << 10;
/// How often it is looked whether the program is over.
const TICK: Duration = Duration::from_millis(10);
/// How long its pipes are drained after it is over: a child that it left may hold them open.
const DRAIN: Duration = Duration::from_millis(200);

/// What a program answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It ended with 0; its stdout, else its stderr.
    Said(String),
    /// With another code or by a signal; what it said then.
    Failed(String, String),
    /// The time was over, and it was ended.
    TooLong,
    /// With the reason.
    NotStarted(String),
}

/// By which variable the family of one question is known, wherever its members went.
const MARK: &str = "TEOF_ASKED";
/// How often what is left of a family is looked for: members may be born while others are ended.
const LOOKS: usize = 10;

/// Runs `argv` in `folder` with this environment and a mark, and no stdin, for at most `patience`. Whatever is
/// left of its family is ended, in its process group or not.
pub fn ask(argv: &[String], folder: &Path, env: &[(String, String)], patience: Duration) -> Answer {
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
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = match command.spawn() {
        Ok(child) => child,
        Err(e) => return Answer::NotStarted(format!("{program}: {e}")),
    };
    let (stdout, stderr) = (drained(child.stdout.take()), drained(child.stderr.take()));
    let status = wait(&mut child, patience);
    end_family(&child, mark);
    end_group(&child);
    let _ = child.wait();
    let said = |from: &Receiver<Vec<u8>>| {
        let bytes = from.recv_timeout(DRAIN).unwrap_or_default();
        String::from_utf8_lossy(&bytes).trim().to_owned()
    };
    let (out, err) = (said(&stdout), said(&stderr));
    let said = if out.is_empty() { err.clone() } else { out };
    match status {
        None => Answer::TooLong,
        Some(status) if status.success() => Answer::Said(said),
        Some(status) => {
            let how = match status.code() {
                Some(code) => format!("it ended with {code}"),
                None => format!("signal {} ended it", status.signal().unwrap_or_default()),
            };
            Answer::Failed(how, if err.is_empty() { said } else { err })
        }
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let until = Instant::now() + patience;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < until => std::thread::sleep(TICK),
            _ => return None,
        }
    }
}

/// No other question has it.
fn fresh_mark() -> String {
    static ASKED: AtomicU64 = AtomicU64::new(0);
    let now = Clock::Machine.now().unix();
    format!("{}-{now}-{}", std::process::id(), ASKED.fetch_add(1, Ordering::Relaxed))
}

/// Before the child is waited for: until then its pid is nobody else's.
fn end_family(child: &Child, mark: String) {
    let root = Some(child.id().cast_signed());
    let marks = vec![(MARK.to_owned(), mark)];
    let family = Family { root, marks, adopted_except: None, since: process_tree::own_start() };
    for _ in 0..LOOKS {
        let living = family.living();
        if living.is_empty() {
            return;
        }
        living.iter().for_each(|process| process.end(true));
        std::thread::sleep(TICK);
    }
}

/// The group has the child's pid as its id for as long as anybody is in it.
fn end_group(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        let _ = rustix::process::kill_process_group(group, Signal::KILL);
    }
}

/// Reads in a thread of its own, which ends when the pipe does.
fn drained(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (to, from) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(MAX_ANSWER).read_to_end(&mut bytes);
        }
        let _ = to.send(bytes);
    });
    from
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sh(line: &str, patience: u64) -> Answer {
        let argv = ["/bin/sh", "-c", line].map(str::to_owned);
        ask(&argv, Path::new("/"), &[("A".to_owned(), "b".to_owned())], Duration::from_millis(patience))
    }

    #[test]
    fn an_answer_is_what_is_printed() {
        assert_eq!(sh("echo \"$A${HOME-}\"; echo talk >&2", 9_000), Answer::Said("b".to_owned()));
        assert_eq!(sh("echo talk >&2", 9_000), Answer::Said("talk".to_owned()));
        assert_eq!(sh("echo no >&2; exit 3", 9_000), Answer::Failed("it ended with 3".to_owned(), "no".to_owned()));
        assert!(matches!(ask(&["/nowhere".to_owned()], Path::new("/"), &[], TICK), Answer::NotStarted(_)));
        assert_eq!(
            sh("read line && echo \"$line\"", 9_000),
            Answer::Failed("it ended with 1".to_owned(), String::new())
        );
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn one_that_left_its_group_is_ended_too() {
        for (end, patience) in [("sleep 600", 300), ("sleep 0.2", 9_000)] {
            let folder = tempfile::tempdir().unwrap();
            let pid = folder.path().join("pid");
            sh(
                &format!("setsid sh -c 'echo $$ > {0}; exec sleep 600' >/dev/null 2>&1 & {end}", pid.display()),
                patience,
            );
            let pid = std::fs::read_to_string(pid).unwrap();
            assert!(!Path::new("/proc").join(pid.trim()).join("exe").exists(), "{pid} lives on after {end}");
        }
    }

    #[test]
    fn nobody_is_waited_for_longer_than_one_has_patience() {
        assert_eq!(sh("sleep 600 & sleep 600", 50), Answer::TooLong);
        // A child that holds the pipes is ended too.
        assert_eq!(sh("sleep 600 & echo 1.0", 9_000), Answer::Said("1.0".to_owned()));
    }
}
