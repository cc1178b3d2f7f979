//! The pipes of a running program, emptied into their captures.

use std::io::{PipeReader, Read};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::attend::Attendant;
use super::capture::{Capture, Captured};
use crate::base::Result;

/// How long output is waited for after everyone found is gone; only somebody not found can hold it open.
const DRAIN: Duration = Duration::from_millis(500);
const CHUNK: usize = 64 * 1024;

/// One pipe and what was kept of it.
struct Stream {
    /// Until end of file.
    pipe: Option<PipeReader>,
    capture: Capture,
}

impl Stream {
    /// One piece, if the pipe has one now. Empty at its end.
    fn read(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let Some(pipe) = &mut self.pipe else { return Ok(0) };
        match pipe.read(chunk) {
            Ok(0) => self.pipe = None,
            Ok(n) => {
                self.capture.take(&chunk[..n]);
                return Ok(n);
            }
            Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e).context("read output"),
        }
        Ok(0)
    }
}

/// Stdout, and stderr where it is kept apart.
pub(super) struct Streams {
    out: Stream,
    err: Option<Stream>,
    /// When anything was printed last, and when it was of meaning.
    pub last_output: Instant,
    pub last_meaning: Instant,
}

impl Streams {
    pub fn new(out: Capture, err: Option<Capture>) -> Self {
        let stream = |capture| Stream { pipe: None, capture };
        let now = Instant::now();
        Self { out: stream(out), err: err.map(stream), last_output: now, last_meaning: now }
    }

    pub fn attach(&mut self, out: PipeReader, err: Option<PipeReader>) {
        self.out.pipe = Some(out);
        if let Some(stream) = &mut self.err {
            stream.pipe = err;
        }
    }

    /// Takes in what there is, a piece of each at most, waiting at most `wait` for the first.
    pub fn read(&mut self, wait: Duration, attendant: &mut dyn Attendant) -> Result<()> {
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let (out, err) = (self.out.pipe.as_ref(), self.err.as_ref().and_then(|stream| stream.pipe.as_ref()));
        let mut watched: Vec<_> = out.iter().chain(err.iter()).map(|pipe| PollFd::new(*pipe, PollFlags::IN)).collect();
        match poll(&mut watched, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(e) => return Err(e).context("wait for output"),
        }
        let mut ready = watched.iter().map(|fd| !fd.revents().is_empty());
        let out_ready = out.is_some() && ready.next().unwrap_or(false);
        let err_ready = err.is_some() && ready.next().unwrap_or(false);
        let mut chunk = [0; CHUNK];
        if out_ready {
            let n = self.out.read(&mut chunk)?;
            if n > 0 {
                self.last_output = Instant::now();
                if attendant.hear(&chunk[..n]) {
                    self.last_meaning = self.last_output;
                }
            }
        }
        if let Some(err) = self.err.as_mut().filter(|_| err_ready)
            && err.read(&mut chunk)? > 0
        {
            self.last_output = Instant::now();
        }
        Ok(())
    }

    /// What is still in the pipes. Somebody whom nobody found may hold them open: not waited for.
    pub fn drain(&mut self, step: Duration, attendant: &mut dyn Attendant) -> Result<()> {
        let until = Instant::now() + DRAIN;
        while self.is_open() && Instant::now() < until {
            self.read(step, attendant)?;
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.out.pipe.is_some() || self.err.as_ref().is_some_and(|stream| stream.pipe.is_some())
    }

    pub fn finish(self) -> Result<(Captured, Option<Captured>)> {
        let err = self.err.map(|stream| stream.capture.finish()).transpose()?;
        Ok((self.out.capture.finish()?, err))
    }
}
