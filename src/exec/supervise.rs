//! Runs one program from its start to a verdict.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::Pid;

use super::broker::Belongs;
use super::confinement::Confinement;
use super::launch::{self, StderrPipe};
use super::limits::{Meter, RunLimits};
use super::output::capture::{Capture, Captured, Keep};
use super::output::follow::Followed;
use super::output::observer::{Control, Input, Observer};
use super::output::stdin::StdinWriter;
use super::output::streams::{Source, Streams};
use super::own_binary;
use super::processes::ancestry::descends;
use super::processes::process_tree::{self, Process, ProcessTree};
use super::processes::reaper::{AfterDeath, Reaper};
use super::processes::termination::{TICK as ENDING_TICK, Termination};
use super::processes::{Beside, Listed};
use crate::base::Result;

/// How often to check the time limits, the observer and the exit while nothing is printed.
const TICK: Duration = Duration::from_millis(50);

/// What to run.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Program and arguments; see [`Spec::shell`] for a line of shell.
    pub argv: Vec<String>,
    pub cwd: PathBuf,
    /// The whole environment; nothing is inherited.
    pub env: Vec<(String, String)>,
    /// Variables that are added to the environment; a process that has all of them belongs to the tree.
    pub marks: Vec<(String, String)>,
    /// Written to stdin, before what the [`Observer`] gives; empty means no stdin at all.
    pub stdin: Vec<u8>,
    pub clocks: Clocks,
    /// The file for stdout, and for stderr in order with it unless `errors` is set. Must not exist.
    pub output: PathBuf,
    /// Stdout is a file instead of a pipe: for programs that lose the end of their output in a pipe.
    pub through_file: bool,
    /// A separate file for stderr. Must not exist.
    pub errors: Option<PathBuf>,
    /// Limits for each file.
    pub keep: Keep,
    /// What the program may do; `None`: all that this user may.
    pub confinement: Option<Confinement>,
    /// What it may use, together with the other programs of its run.
    pub limits: Option<RunLimits>,
}

impl Spec {
    /// The argument list that has `sh` run one line.
    pub fn shell(line: &str) -> Vec<String> {
        ["sh", "-c", line].map(str::to_owned).into()
    }
}

/// The time limits of a program.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Since the last output.
    pub silence: Option<Duration>,
    /// Since the observer last saw a sign of work.
    pub meaning: Option<Duration>,
    /// Since the start.
    pub wall: Option<Duration>,
    /// How long it may keep running after [`Control::Finished`].
    pub linger: Duration,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Which time limit was exceeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimedOut {
    Silence,
    Meaning,
    Wall,
}

/// How a program ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Exited(i32),
    /// Killed by a signal that we did not send.
    Signalled(i32),
    TimedOut(TimedOut),
    /// The observer returned [`Control::Cancel`].
    Cancelled,
    /// It had printed its result and did not exit by itself; its result counts.
    Lingered,
    /// Killed because it exceeded a limit on memory or the like; says which.
    OverLimit(String),
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
    /// Until the program was over, without the time to end the rest of its tree.
    pub duration: Duration,
    pub output: Captured,
    /// Stderr, when it has a separate file.
    pub errors: Option<Captured>,
    /// Members of its tree, without itself, that had to be ended.
    pub ended: Vec<Process>,
    /// Members that were still alive some time after SIGKILL.
    pub survivors: Vec<Process>,
}

/// Starts and supervises programs, one at a time.
///
/// While a program runs this process must start no other children than [`Beside`] does, and the thread that runs it
/// must outlive it: the kernel ties the parent's death to the thread.
#[derive(Debug)]
pub struct Supervisor {
    launcher: OsString,
    adopts: bool,
    /// When this process started: programs that teof started are not older.
    since: u64,
    beside: Beside,
}

impl Supervisor {
    /// For a process that only supervises: on Linux it adopts every orphan among its descendants from now on.
    pub fn new() -> Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("adopt orphans")?;
        let launcher = own_binary::own_binary().context("find our own binary")?;
        let beside = Beside::default();
        Ok(Self { launcher, adopts: cfg!(target_os = "linux"), since: process_tree::own_start(), beside })
    }

    /// For a process that has other children too (tests): starts programs through the given teof binary and adopts
    /// no orphans.
    pub fn beside_others(launcher: impl Into<OsString>) -> Self {
        let beside = Beside::default();
        Self { launcher: launcher.into(), adopts: false, since: process_tree::own_start(), beside }
    }

    /// Where commands of our own are run while a program runs.
    pub fn beside(&self) -> Beside {
        self.beside.clone()
    }

    /// Lists a process below this one that does not belong to the programs that it runs, until what is returned is
    /// dropped. `None`: it is not below this one.
    pub(super) fn leave_out(&self, pid: i32) -> Option<Listed> {
        descends(pid, process_tree::own_pid(), &HashSet::new()).then(|| self.beside.list(pid))
    }

    /// Tells which processes are below this one and not beside the program that it runs.
    pub fn members(&self) -> Box<Belongs> {
        self.members_besides(|| None)
    }

    /// As [`Supervisor::members`], without the process that `besides` names at the time, and what is below it.
    pub(super) fn members_besides(&self, besides: impl Fn() -> Option<i32> + Send + Sync + 'static) -> Box<Belongs> {
        let beside = self.beside();
        Box::new(move |pid| {
            let mut others = beside.running().clone();
            others.extend(besides());
            descends(pid, process_tree::own_pid(), &others)
        })
    }

    /// Runs one program and ends its process tree.
    ///
    /// # Errors
    /// Only when an output file cannot be created or written, or a basic system call fails.
    pub fn run(&self, spec: &Spec, observer: &mut dyn Observer) -> Result<Report> {
        let errors = spec.errors.as_ref().map(|path| Capture::create(path, spec.keep)).transpose()?;
        let mut streams = Streams::new(Capture::create(&spec.output, spec.keep)?, errors);
        let started = Instant::now();
        let ours = self.adopts.then(process_tree::children);
        // What it counts from is older than the program.
        let mut meter = spec.limits.as_ref().map(Meter::start);
        let (verdict, duration, (ended, survivors)) = match self.start(spec)? {
            Err(reason) => (Verdict::NotStarted(reason), started.elapsed(), Default::default()),
            Ok(Started { child, out, err, input }) => {
                let pid = child.id().cast_signed();
                observer.started(pid);
                let marks = spec.marks.clone();
                let tree = ProcessTree {
                    root: Some(pid),
                    marks,
                    adopted_except: ours,
                    since: self.since,
                    beside: self.beside(),
                };
                streams.attach(out, err);
                let mut watch = Watch { child, streams: &mut streams, observer, input, started };
                let told = watch.until_over(spec.clocks, &mut || meter.as_mut()?.over(&tree))?;
                let duration = started.elapsed();
                let termination = watch.end(&tree, spec.clocks.grace)?;
                watch.streams.drain(ENDING_TICK, watch.observer)?;
                let verdict = watch.verdict(told)?;
                (meter.map_or(verdict.clone(), |meter| limited(verdict, &meter)), duration, termination)
            }
        };
        let (output, errors) = streams.finish()?;
        Ok(Report { verdict, duration, output, errors, ended, survivors })
    }

    /// Our own binary, for a program that another process starts.
    pub(super) fn own_file(&self) -> std::io::Result<OsString> {
        if self.adopts || self.launcher == own_binary::own_binary()? {
            own_binary::own_file()
        } else {
            Ok(self.launcher.clone())
        }
    }

    /// Starts a process that ends every process with all `marks` if this process dies before the reaper is dropped.
    /// Then `after` follows.
    pub fn start_reaper(&self, marks: &[(String, String)], grace: Duration, after: AfterDeath) -> Result<Reaper> {
        Reaper::start(&self.launcher, marks, grace, self.since, after)
    }

    /// The child and its output, or why it could not be started.
    fn start(&self, spec: &Spec) -> Result<Result<Started, String>> {
        let (out, output_end): (Source, Stdio) = if spec.through_file {
            let (near, far) = Followed::new(&spec.output)?;
            (Source::File(near), far.into())
        } else {
            let (near, far) = std::io::pipe().context("make a pipe")?;
            (Source::Pipe(near), far.into())
        };
        let (mut status, status_end) = std::io::pipe().context("make a pipe")?;
        let errors = spec.errors.is_some().then(std::io::pipe).transpose().context("make a pipe")?;
        let (err, errors_end) = errors.unzip();
        let stderr = errors_end.as_ref().map(|end| StderrPipe::new(end.as_fd())).transpose()?;
        let placement = spec.limits.as_ref().map(RunLimits::placement).unwrap_or_default();
        let confinement = spec.confinement.as_ref();
        let mut command = launch::command(&self.launcher, stderr.as_ref(), &placement, confinement, &spec.argv);
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
        drop(command); // It holds our copies of the pipes' write ends.
        let mut reason = String::new();
        status.read_to_string(&mut reason).context("read the launcher's status")?;
        drop((stderr, errors_end)); // The program has its own by now.
        if !reason.is_empty() {
            child.wait().context("wait for the launcher")?;
            let program = spec.argv.first().map_or("", String::as_str);
            return Ok(Err(format!("{program}: {reason}")));
        }
        let input = match child.stdin.take().map(|stdin| StdinWriter::start(stdin, spec.stdin.clone())).transpose() {
            Ok(input) => input,
            Err(e) => {
                drop(child.kill());
                child.wait().context("wait for the launcher")?;
                return Ok(Err(format!("its input cannot be written: {e}")));
            }
        };
        Ok(Ok(Started { child, out, err, input }))
    }
}

/// The verdict about a program that ended by itself, or of which a limit is known to have been the end.
fn limited(verdict: Verdict, meter: &Meter) -> Verdict {
    match verdict {
        Verdict::Exited(_) | Verdict::Signalled(_) => {
            meter.over_at_end(!verdict.succeeded()).map_or(verdict, Verdict::OverLimit)
        }
        other => other,
    }
}

/// A running program and our ends of its pipes.
struct Started {
    child: Child,
    out: Source,
    err: Option<PipeReader>,
    /// Its stdin; closed when this is dropped.
    input: Option<StdinWriter>,
}

/// The signals that ask a program to end: SIGHUP, SIGINT, SIGTERM.
const ASKS: [i32; 3] = [1, 2, 15];
/// Who stops a service signals all of its processes, one after the other: a program that was asked to end did not fail
/// if we are asked within this time.
const STOP_OF_ALL: Duration = Duration::from_millis(500);

/// One running program.
struct Watch<'a> {
    child: Child,
    streams: &'a mut Streams,
    observer: &'a mut dyn Observer,
    /// Its stdin, until the observer ends it.
    input: Option<StdinWriter>,
    started: Instant,
}

impl Watch<'_> {
    /// Returns when the program is over (`None`) or has to be stopped, with the verdict.
    /// `over`: what it uses too much of, by now.
    fn until_over(&mut self, clocks: Clocks, over: &mut dyn FnMut() -> Option<String>) -> Result<Option<Verdict>> {
        let past = |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since.elapsed() >= limit);
        let mut finished = None;
        let mut timed_out = None;
        loop {
            if self.exited()? {
                return Ok(timed_out.map(Verdict::TimedOut));
            }
            if let Some(what) = over() {
                return Ok(Some(Verdict::OverLimit(what)));
            }
            if !self.give_input() {
                return Ok(Some(Verdict::OverLimit("it does not read its input".into())));
            }
            // It may print more after a result: then the time to exit starts again with its next result.
            finished = match self.observer.control() {
                Control::Cancel => return Ok(Some(Verdict::Cancelled)),
                Control::Finished => finished.or_else(|| Some(Instant::now())),
                Control::Continue => None,
            };
            if finished.is_some_and(|since| past(Some(clocks.linger), since)) {
                return Ok(Some(Verdict::Lingered));
            }
            // The limits apply until there is a result.
            timed_out = timed_out.or_else(|| match () {
                () if finished.is_some() => None,
                () if past(clocks.wall, self.started) => Some(TimedOut::Wall),
                () if past(clocks.silence, self.streams.last_output) => Some(TimedOut::Silence),
                () => past(clocks.meaning, self.streams.last_meaning).then_some(TimedOut::Meaning),
            });
            match timed_out {
                Some(clock) if !self.observer.winds_down() => return Ok(Some(Verdict::TimedOut(clock))),
                _ => self.streams.read(TICK, self.observer)?,
            }
        }
    }

    /// Writes to its stdin what the observer has for it. `false`: too much waits to be read by it.
    fn give_input(&mut self) -> bool {
        let Some(input) = &self.input else { return true };
        let is_open = match self.observer.input() {
            Input::Nothing => true,
            Input::Bytes(bytes) => input.write(bytes),
            Input::End => false,
        };
        let is_read = input.is_read();
        if !is_open {
            self.input = None;
        }
        is_read
    }

    /// Ends what is left of the tree. The output is read meanwhile, so that no process blocks on a full pipe.
    fn end(&mut self, tree: &ProcessTree, grace: Duration) -> Result<(Vec<Process>, Vec<Process>)> {
        let mut termination = Termination::start(grace);
        loop {
            if cfg!(not(target_os = "linux")) {
                self.end_group(&termination);
            }
            if !termination.step(tree.living()) && (self.exited()? || termination.is_late()) {
                break;
            }
            self.streams.read(ENDING_TICK, self.observer)?;
        }
        let besides = |p: &Process| Some(p.pid) != tree.root;
        termination.signalled.retain(besides);
        Ok((termination.signalled, termination.living))
    }

    /// Without `/proc` only the process group can be signalled.
    fn end_group(&self, termination: &Termination) {
        if let Some(group) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = rustix::process::kill_process_group(group, termination.signal());
        }
    }

    fn verdict(&mut self, told: Option<Verdict>) -> Result<Verdict> {
        if let Some(verdict) = told {
            let _ = self.child.try_wait();
            return Ok(verdict);
        }
        let status = self.child.wait().context("wait for the program")?;
        let verdict = match (status.code(), status.signal()) {
            (Some(code), _) => Verdict::Exited(code),
            (None, signal) => Verdict::Signalled(signal.unwrap_or_default()),
        };
        let was_asked = match verdict {
            Verdict::Signalled(signal) => ASKS.contains(&signal),
            // How shells, and programs that clean up first, say the same.
            Verdict::Exited(code) => ASKS.contains(&(code - 128)),
            _ => false,
        };
        Ok(if was_asked && self.is_cancelled_soon() { Verdict::Cancelled } else { verdict })
    }

    /// Whether the observer cancels the program, now or in a moment.
    fn is_cancelled_soon(&mut self) -> bool {
        let began = Instant::now();
        loop {
            if self.observer.control() == Control::Cancel {
                return true;
            }
            if began.elapsed() >= STOP_OF_ALL {
                return false;
            }
            std::thread::sleep(ENDING_TICK);
        }
    }

    /// Whether the program is over. It is not reaped yet, so no other process can get its pid.
    fn exited(&self) -> Result<bool> {
        process_tree::is_over(&self.child).context("look at the program")
    }
}
