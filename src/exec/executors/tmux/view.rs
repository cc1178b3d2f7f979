//! A window that shows what a program of a run prints, and what it is told while it works.
//!
//! The program is a child of the supervisor, not of the tmux server: what that server starts is never part of the run.
//! The process in the window ([`run`]) reads a named pipe that the supervisor writes to ([`View`]). What does not fit
//! into the pipe is not shown, so that a window never slows the program down. When the process in the window ends,
//! because a person closed the window or pressed Ctrl-C, the program is ended too.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::OFlags;
use rustix::io::Errno;
use signal_hook::consts::SIGTSTP;

use super::server;
use crate::base::{Result, files, text};
use crate::exec::output::{Control, Input, Observer};

/// The first argument that selects the process in the window. What follows: the named pipe.
pub(in crate::exec) const MODE: &str = "__view";
/// How long either end waits for the other one.
const START: Timespec = Timespec { tv_sec: 20, tv_nsec: 0 };
/// How often to look for it.
const TICK: Duration = Duration::from_millis(5);

/// The supervisor's end. It passes on what it observes.
pub(super) struct View<'a> {
    observer: &'a mut dyn Observer,
    pipe: File,
    /// How many bytes were left out since the window last showed something.
    left_out: usize,
    /// The process in the window is gone.
    pub is_closed: bool,
}

impl<'a> View<'a> {
    /// Waits until the window's process has opened its end of the pipe, whose name is removed then, and shows `title`:
    /// before the first bytes that process cannot tell whether anybody will write.
    ///
    /// # Errors
    /// `tmux.failed` when that takes too long.
    pub fn open(pipe: &Path, title: &str, observer: &'a mut dyn Observer) -> Result<Self> {
        let until = Instant::now() + Duration::from_secs(START.tv_sec.cast_unsigned());
        loop {
            match open_at_once(OpenOptions::new().write(true), pipe) {
                Ok(opened) => {
                    let _ = std::fs::remove_file(pipe);
                    let mut view = Self { observer, pipe: opened, left_out: 0, is_closed: false };
                    view.show(format!("{title}\n").as_bytes());
                    return Ok(view);
                }
                // Nobody reads it yet.
                Err(e) if e.raw_os_error() == Some(Errno::NXIO.raw_os_error()) && Instant::now() < until => {
                    std::thread::sleep(TICK);
                }
                Err(e) => return Err(server::failed(&format!("the window did not open: {e}")).into()),
            }
        }
    }

    fn show(&mut self, bytes: &[u8]) {
        if self.left_out > 0 {
            let note = format!("\n[{} bytes are not shown here: teof session logs]\n", self.left_out);
            if self.write(note.as_bytes()) == note.len() {
                self.left_out = 0;
            }
        }
        self.left_out += bytes.len() - self.write(bytes);
    }

    /// How much of it fits. The end of the window is noticed elsewhere.
    fn write(&mut self, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Some(rest) = bytes.get(written..).filter(|rest| !rest.is_empty()) {
            match self.pipe.write(rest) {
                Ok(n) if n > 0 => written += n,
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => break,
            }
        }
        written
    }

    /// Whether the window's process still reads.
    fn is_open(&self) -> bool {
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        let mut pipe = [PollFd::new(&self.pipe, PollFlags::empty())];
        poll(&mut pipe, Some(&now)).is_err() || !pipe[0].revents().intersects(PollFlags::ERR)
    }
}

impl Observer for View<'_> {
    fn started(&mut self, pid: i32) {
        self.observer.started(pid);
    }

    fn observe(&mut self, chunk: &[u8]) -> bool {
        self.show(chunk);
        self.observer.observe(chunk)
    }

    fn observe_errors(&mut self, chunk: &[u8]) {
        self.show(chunk);
        self.observer.observe_errors(chunk);
    }

    fn control(&mut self) -> Control {
        let control = self.observer.control();
        if control == Control::Continue && !self.is_open() {
            self.is_closed = true;
            return Control::Cancel;
        }
        control
    }

    fn winds_down(&mut self) -> bool {
        self.observer.winds_down()
    }

    fn input(&mut self) -> Input {
        let input = self.observer.input();
        if let Input::Bytes(bytes) = &input {
            self.show(&[b"> ", bytes.as_slice()].concat());
        }
        input
    }
}

/// Makes the pipe of a window.
pub(super) fn make_pipe(path: &Path) -> Result<()> {
    #[cfg(target_os = "linux")]
    let made: io::Result<()> = {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).map_err(Into::into)
    };
    #[cfg(not(target_os = "linux"))]
    let made = match std::process::Command::new("mkfifo").args(["-m", "600"]).arg(path).status() {
        Ok(status) if !status.success() => Err(io::Error::other(format!("mkfifo: {status}"))),
        made => made.map(drop),
    };
    made.map_err(|e| files::io_refusal(e, "create", path))
}

/// The main function of the process in the window: shows what comes as safe text, until the supervisor closes the pipe.
pub(in crate::exec) fn run(mut args: impl Iterator<Item = OsString>) -> ExitCode {
    // A stopped view (Ctrl-Z) would show nothing more.
    let _ = signal_hook::flag::register(SIGTSTP, std::sync::Arc::default());
    let Some(pipe) = args.next().map(PathBuf::from) else { return ExitCode::FAILURE };
    match open_at_once(OpenOptions::new().read(true), &pipe).and_then(show_all) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

/// Opens one end of a pipe without waiting for the other one.
fn open_at_once(options: &mut OpenOptions, pipe: &Path) -> io::Result<File> {
    options.custom_flags(OFlags::NONBLOCK.bits().cast_signed()).open(pipe)
}

fn show_all(mut pipe: File) -> io::Result<()> {
    // A supervisor that died before it opened its end leaves no end to wait for.
    loop {
        match poll(&mut [PollFd::new(&pipe, PollFlags::IN)], Some(&START)) {
            Ok(0) => return Err(ErrorKind::TimedOut.into()),
            Ok(_) => break,
            Err(Errno::INTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
    rustix::fs::fcntl_setfl(&pipe, OFlags::empty())?;
    let mut chunk = vec![0; 64 << 10];
    loop {
        match pipe.read(&mut chunk) {
            Ok(0) => return Ok(()),
            Ok(n) => {
                let said = text::safe_block(&String::from_utf8_lossy(&chunk[..n]));
                let mut terminal = io::stdout().lock();
                terminal.write_all(said.as_bytes())?;
                terminal.flush()?;
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
}
