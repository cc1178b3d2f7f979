//! One program, from start to verdict.

use std::collections::HashSet;
use std::ffi::OsString;
use std::io::{PipeReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, waitid};

use super::capture::{Capture, Captured, Keep};
use super::follow::Followed;
use super::launch;
use super::observer::{Attendant, Word};
use super::process_tree::{self, Family, Process};
use super::reaper::Guardian;
use super::streams::{Source, Streams};
use crate::base::Result;

/// How often the clocks, the attendant's word and the exit are looked at when nothing is printed.
const TICK: Duration = Duration::from_millis(50);
/// The same while the family is being ended: somebody waits for it.
const ENDING_TICK: Duration = Duration::from_millis(10);
/// How long after SIGKILL a process may need to be gone (one in the kernel's hands can take for ever).
const LAST_WAIT: Duration = Duration::from_secs(5);

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
    /// Where stdout goes, and stderr with it, in order, unless that has a file of its own. Must not exist.
    pub output: PathBuf,
    /// Stdout is a file and no pipe: for programs that lose the end of what they print into a pipe.
    pub through_file: bool,
    /// Where stderr goes when it is kept apart. Must not exist.
    pub errors: Option<PathBuf>,
    /// For each file.
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
    /// Since the attendant last heard something of meaning.
    pub meaning: Option<Duration>,
    /// Since it started.
    pub wall: Option<Duration>,
    /// How long it may still run once its attendant has heard enough.
    pub after_enough: Duration,
    /// Between SIGTERM and SIGKILL.
    pub grace: Duration,
}

/// Which clock ran out.
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
    /// By a signal that was not ours.
    Signalled(i32),
    TimedOut(TimedOut),
    /// The attendant wished it.
    Cancelled,
    /// It had said its last word and did not leave by itself; what it said decides.
    Enough,
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
    /// Stderr, when it was kept apart.
    pub errors: Option<Captured>,
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
    /// When this process started: no program of ours is older.
    since: u64,
}

impl Supervisor {
    /// For a process whose job this is: on Linux it adopts, from now on, every orphan among its descendants.
    pub fn new() -> Result<Self> {
        #[cfg(target_os = "linux")]
        rustix::process::set_child_subreaper(Some(rustix::process::getpid())).context("adopt orphans")?;
        let launcher = launch::own_binary().context("find our own binary")?;
        Ok(Self { launcher, adopts: cfg!(target_os = "linux"), since: process_tree::own_start() })
    }

    /// For a process that has other children too (tests): starts programs through the given teof
    /// binary and adopts nobody.
    pub fn beside_others(launcher: impl Into<OsString>) -> Self {
        Self { launcher: launcher.into(), adopts: false, since: process_tree::own_start() }
    }

    /// Runs one program to its end and its family's end, attended.
    ///
    /// Fails only when an output file cannot be made or written, or the kernel refuses the basics.
    pub fn run(&self, spec: &Spec, attendant: &mut dyn Attendant) -> Result<Report> {
        let errors = spec.errors.as_ref().map(|path| Capture::create(path, spec.keep)).transpose()?;
        let mut streams = Streams::new(Capture::create(&spec.output, spec.keep)?, errors);
        let started = Instant::now();
        let ours = self.adopts.then(process_tree::children);
        let (verdict, duration, (ended, survivors)) = match self.start(spec)? {
            Err(reason) => (Verdict::NotStarted(reason), started.elapsed(), Default::default()),
            Ok(Started { child, out, err }) => {
                let pid = child.id().cast_signed();
                let marks = spec.marks.clone();
                let family = Family { root: Some(pid), marks, adopted_except: ours, since: self.since };
                streams.attach(out, err);
                let mut watch = Watch { child, streams: &mut streams, attendant, started };
                let told = watch.until_over(spec.clocks)?;
                let duration = started.elapsed();
                let ending = watch.end(&family, spec.clocks.grace)?;
                watch.streams.drain(ENDING_TICK, watch.attendant)?;
                (watch.verdict(told)?, duration, ending)
            }
        };
        let (output, errors) = streams.finish()?;
        Ok(Report { verdict, duration, output, errors, ended, survivors })
    }

    /// Has somebody end whoever carries all `marks` if this process dies before the guardian is dropped.
    pub fn guard(&self, marks: &[(String, String)], grace: Duration) -> Result<Guardian> {
        Guardian::start(&self.launcher, marks, grace, self.since)
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
        let apart = errors_end.as_ref().map(|end| launch::Apart::offer(end.as_fd())).transpose()?;
        let mut command = launch::command(&self.launcher, apart.as_ref(), &spec.argv);
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
        drop((apart, errors_end)); // The program has its own by now.
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
        Ok(Ok(Started { child, out, err }))
    }
}

/// A program that runs, and the near ends of its pipes.
struct Started {
    child: Child,
    out: Source,
    err: Option<PipeReader>,
}

/// Ends every process whose environment carries all `marks`: what a supervisor that was killed left
/// behind. Returns those that had to be ended, and those of them that are still there.
pub fn end_marked(marks: Vec<(String, String)>, grace: Duration) -> (Vec<Process>, Vec<Process>) {
    end_family(&Family { marks, ..Family::default() }, grace)
}

/// As [`end_marked`], for a whole family.
pub(super) fn end_family(family: &Family, grace: Duration) -> (Vec<Process>, Vec<Process>) {
    let mut ending = Ending::begin(grace);
    while ending.go_on(family.living()) {
        std::thread::sleep(ENDING_TICK);
    }
    (ending.ended, ending.living)
}

/// One running program.
struct Watch<'a> {
    child: Child,
    streams: &'a mut Streams,
    attendant: &'a mut dyn Attendant,
    started: Instant,
}

impl Watch<'_> {
    /// Returns when the program is over or should be: `Some` says who decided so.
    fn until_over(&mut self, clocks: Clocks) -> Result<Option<Verdict>> {
        let past = |limit: Option<Duration>, since: Instant| limit.is_some_and(|limit| since.elapsed() >= limit);
        let mut enough = None;
        loop {
            if self.exited()? {
                return Ok(None);
            }
            // It may find more to say: then the time to leave begins anew with its next last word.
            enough = match self.attendant.word() {
                Word::Cancel => return Ok(Some(Verdict::Cancelled)),
                Word::Enough => enough.or_else(|| Some(Instant::now())),
                Word::GoOn => None,
            };
            if enough.is_some_and(|since| past(Some(clocks.after_enough), since)) {
                return Ok(Some(Verdict::Enough));
            }
            let timed_out = if past(clocks.wall, self.started) {
                Some(TimedOut::Wall)
            } else if past(clocks.silence, self.streams.last_output) {
                Some(TimedOut::Silence)
            } else {
                past(clocks.meaning, self.streams.last_meaning).then_some(TimedOut::Meaning)
            };
            match timed_out {
                // Time runs out for those who still have something to say.
                Some(clock) if enough.is_none() => return Ok(Some(Verdict::TimedOut(clock))),
                _ => self.streams.read(TICK, self.attendant)?,
            }
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
            self.streams.read(ENDING_TICK, self.attendant)?;
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
                process_tree::signal(process, Signal::TERM);
                // A stopped process hears only this.
                process_tree::signal(process, Signal::CONT);
            }
            if self.signal() == Signal::KILL {
                process_tree::signal(process, Signal::KILL);
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
