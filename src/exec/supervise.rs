//! One program, from start to verdict.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{PipeReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::capture::{Capture, Captured, Keep};
use super::family::{self, Family, Process};
use super::guardian::Guardian;
use super::launch;
use crate::base::Result;

/// How often the clocks, the caller's wish and the exit are looked at when nothing is printed.
const TICK: Duration = Duration::from_millis(50);
/// The same while the family is being ended: somebody waits for it.
const ENDING_TICK: Duration = Duration::from_millis(10);
/// How long after SIGKILL a process may need to be gone (one in the kernel's hands can take for ever).
const LAST_WAIT: Duration = Duration::from_secs(5);
/// How long output is waited for after everyone found is gone; only somebody not found can hold it open.
const DRAIN: Duration = Duration::from_millis(500);

/// What to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Program and arguments; see [`Spec::shell`] for a line of shell.
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Variables, added to the environment, by whose values together the family is known.
    pub marks: Vec<(String, String)>,
    /// Written to stdin, which is then closed; empty means no stdin at all.
    pub stdin: Vec<u8>,
    pub clocks: Clocks,
    /// Where stdout and stderr go, together and in order. The file must not exist.
    pub output: PathBuf,
    pub keep: Keep,
}

impl Spec {
    /// The argument list that has `sh` run one line.
    pub fn shell(line: &str) -> Vec<String> {
        ["sh", "-c", line].map(str::to_owned).into()
    }
}

/// When a program has had its time.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Since it last printed something.
    pub silence: Option<Duration>,
    /// Since it started.
    pub wall: Option<Duration>,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Which clock ran out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    Silence,
    Wall,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Exited(i32),
    /// By a signal that was not ours.
    Signalled(i32),
    TimedOut(TimedOut),
    /// The caller wished it.
    Cancelled,
    /// With the reason; nothing ran.
    NotStarted(String),
}

impl Verdict {
    pub fn succeeded(&self) -> bool {
        *self == Verdict::Exited(0)
    }
}

/// What became of a program.
#[derive(Clone, Debug)]
pub struct Report {
    pub verdict: Verdict,
    /// Until it was over; ending what it left behind is not counted.
    pub duration: Duration,
    pub output: Captured,
    /// Members of its family, besides itself, that had to be ended.
    pub ended: Vec<Process>,
    /// Members that even SIGKILL did not end in time.
    pub survivors: Vec<Process>,
}

/// Starts and watches programs, one at a time.
///
/// While a program runs this process must start no other children, and the thread that runs it must
/// outlive it: the kernel ties the parent's death to the thread.
#[derive(Debug)]
pub struct Supervisor {
    launcher: OsString,
    adopts: bool,
}

impl Supervisor {
    /// For a process whose job this is: on Linux it adopts, from now on, every orphan among its descendants.
    pub fn new() -> Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("adopt orphans")?;
        Ok(Self { launcher: launch::own_binary().context("find our own binary")?, adopts: cfg!(target_os = "linux") })
    }

    /// For a process that has other children too (tests): starts programs through the given teof
    /// binary and adopts nobody.
    pub fn beside_others(launcher: impl Into<OsString>) -> Self {
        Self { launcher: launcher.into(), adopts: false }
    }

    /// Runs one program to its end and its family's end. `stop` is asked about every 50 ms, for
    /// cancellation and for anything that has to happen meanwhile.
    ///
    /// Fails only when the output file cannot be made or written, or the kernel refuses the basics.
    pub fn run(&self, spec: &Spec, stop: &mut dyn FnMut() -> bool) -> Result<Report> {
        let mut capture = Capture::create(&spec.output, spec.keep)?;
        let started = Instant::now();
        let ours = self.adopts.then(family::children);
        match self.start(spec)? {
            Err(reason) => Ok(Report {
                verdict: Verdict::NotStarted(reason),
                duration: started.elapsed(),
                output: capture.finish()?,
                ended: Vec::new(),
                survivors: Vec::new(),
            }),
            Ok((child, output)) => {
                let pid = child.id().cast_signed();
                let family = Family { root: Some(pid), marks: spec.marks.clone(), adopted_except: ours };
                let mut watch =
                    Watch { child, output: Some(output), capture: &mut capture, started, last_output: started };
                let told = watch.until_over(spec.clocks, stop)?;
                let duration = started.elapsed();
                let (ended, survivors) = watch.end(&family, spec.clocks.grace)?;
                watch.drain()?;
                let verdict = watch.verdict(told)?;
                Ok(Report { verdict, duration, output: capture.finish()?, ended, survivors })
            }
        }
    }

    /// Has somebody end whoever carries all `marks` if this process dies before the guardian is dropped.
    pub fn guard(&self, marks: &[(String, String)], grace: Duration) -> Result<Guardian> {
        Guardian::start(&self.launcher, marks, grace)
    }

    /// The child and its output, or why it could not be started.
    fn start(&self, spec: &Spec) -> Result<Result<(Child, PipeReader), String>> {
        let (output, output_end) = std::io::pipe().context("make a pipe")?;
        let (mut status, status_end) = std::io::pipe().context("make a pipe")?;
        let mut command = launch::command(&self.launcher, &spec.argv);
        command
            .current_dir(&spec.cwd)
            .env_clear()
            .envs(spec.env.iter().map(|(name, value)| (name, value)))
            .envs(spec.marks.iter().map(|(name, value)| (name, value)))
            .stdin(if spec.stdin.is_empty() { Stdio::null() } else { Stdio::piped() })
            .stdout(output_end)
            .stderr(status_end);
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(e) => return Ok(Err(format!("{e} (in {})", spec.cwd.display()))),
        };
        drop(command); // It holds our copies of the pipes' far ends.
        let mut reason = String::new();
        status.read_to_string(&mut reason).context("read the launcher's status")?;
        if !reason.is_empty() {
            child.wait().context("wait for the launcher")?;
            let program = spec.argv.first().map_or("", String::as_str);
            return Ok(Err(format!("{program}: {reason}")));
        }
        if let Some(mut stdin) = child.stdin.take() {
            let bytes = spec.stdin.clone();
            // A program that does not read ends this thread by closing its end.
            std::thread::spawn(move || drop(stdin.write_all(&bytes)));
        }
        Ok(Ok((child, output)))
    }
}

/// Ends every process whose environment carries all `marks`: what a supervisor that was killed left
/// behind. Returns those that had to be ended, and those of them that are still there.
pub fn end_marked(marks: Vec<(String, String)>, grace: Duration) -> (Vec<Process>, Vec<Process>) {
    let family = Family { root: None, marks, adopted_except: None };
    let mut ending = Ending::begin(grace);
    while ending.go_on(family.living()) {
        std::thread::sleep(ENDING_TICK);
    }
    (ending.ended, ending.living)
}

/// One running program.
struct Watch<'a> {
    child: Child,
    /// Until end of file.
    output: Option<PipeReader>,
    capture: &'a mut Capture,
    started: Instant,
    last_output: Instant,
}

impl Watch<'_> {
    /// Returns when the program is over or should be: `Some` says who decided so.
    fn until_over(&mut self, clocks: Clocks, stop: &mut dyn FnMut() -> bool) -> Result<Option<Verdict>> {
        let past = |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since.elapsed() >= limit);
        loop {
            if self.exited()? {
                return Ok(None);
            }
            if stop() {
                return Ok(Some(Verdict::Cancelled));
            }
            if past(clocks.wall, self.started) {
                return Ok(Some(Verdict::TimedOut(TimedOut::Wall)));
            }
            if past(clocks.silence, self.last_output) {
                return Ok(Some(Verdict::TimedOut(TimedOut::Silence)));
            }
            self.read_output(TICK)?;
        }
    }

    /// Ends whoever is left: SIGTERM, grace, SIGKILL. The output is drained meanwhile, so that
    /// nobody hangs in writing a last word.
    fn end(&mut self, family: &Family, grace: Duration) -> Result<(Vec<Process>, Vec<Process>)> {
        let mut ending = Ending::begin(grace);
        loop {
            if cfg!(not(target_os = "linux")) {
                self.end_group(&ending);
            }
            if !ending.go_on(family.living()) && (self.exited()? || ending.is_late()) {
                break;
            }
            self.read_output(ENDING_TICK)?;
        }
        let besides = |p: &Process| Some(p.pid) != family.root;
        ending.ended.retain(besides);
        Ok((ending.ended, ending.living))
    }

    /// Where there is no `/proc`: the process group is all that can be reached.
    fn end_group(&self, ending: &Ending) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, ending.signal());
        }
    }

    /// What is still in the pipe. Somebody whom nobody found may hold it open: not waited for.
    fn drain(&mut self) -> Result<()> {
        let until = Instant::now() + DRAIN;
        while self.output.is_some() && Instant::now() < until {
            self.read_output(ENDING_TICK)?;
        }
        Ok(())
    }

    fn verdict(&mut self, told: Option<Verdict>) -> Result<Verdict> {
        if let Some(verdict) = told {
            let _ = self.child.try_wait();
            return Ok(verdict);
        }
        let status = self.child.wait().context("wait for the program")?;
        Ok(match (status.code(), status.signal()) {
            (Some(code), _) => Verdict::Exited(code),
            (None, signal) => Verdict::Signalled(signal.unwrap_or_default()),
        })
    }

    /// Whether the program is over. It is not reaped yet: until then nobody else can get its pid.
    fn exited(&self) -> Result<bool> {
        let pid = Pid::from_raw(self.child.id().cast_signed()).context("a child has a pid")?;
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        Ok(waitid(WaitId::Pid(pid), options).context("look at the program")?.is_some())
    }

    /// Takes in what there is, waiting at most `wait` for it.
    fn read_output(&mut self, wait: Duration) -> Result<()> {
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let mut watched: Vec<_> = self.output.iter().map(|pipe| PollFd::new(pipe, PollFlags::IN)).collect();
        match poll(&mut watched, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(e) => return Err(e).context("wait for output"),
        }
        let mut chunk = [0; 64 * 1024];
        let Some(pipe) = &mut self.output else { return Ok(()) };
        match pipe.read(&mut chunk) {
            Ok(0) => self.output = None,
            Ok(n) => {
                self.capture.take(&chunk[..n]);
                self.last_output = Instant::now();
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context("read output"),
        }
        Ok(())
    }
}

/// The way from SIGTERM over grace to SIGKILL.
struct Ending {
    began: Instant,
    grace: Duration,
    /// By pid and start: names and parents change.
    asked: HashSet<(i32, u64)>,
    ended: Vec<Process>,
    living: Vec<Process>,
}

impl Ending {
    fn begin(grace: Duration) -> Self {
        Self { began: Instant::now(), grace, asked: HashSet::new(), ended: Vec::new(), living: Vec::new() }
    }

    /// Signals those who live; each is asked once and then, after the grace, made to. Whether to look again.
    fn go_on(&mut self, living: Vec<Process>) -> bool {
        for process in &living {
            if self.asked.insert((process.pid, process.started)) {
                self.ended.push(process.clone());
                family::signal(process, Signal::TERM);
                // A stopped process hears only this.
                family::signal(process, Signal::CONT);
            }
            if self.signal() == Signal::KILL {
                family::signal(process, Signal::KILL);
            }
        }
        self.living = living;
        !self.living.is_empty() && !self.is_late()
    }

    fn signal(&self) -> Signal {
        if self.began.elapsed() >= self.grace { Signal::KILL } else { Signal::TERM }
    }

    fn is_late(&self) -> bool {
        self.began.elapsed() >= self.grace + LAST_WAIT
    }
}
