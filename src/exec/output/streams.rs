//! Reads a running program's output into its captures: from pipes, or from a growing file.

use std::io::{PipeReader, Read};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::capture::{Capture, Captured};
use super::follow::Followed;
use super::observer::Observer;
use crate::base::Result;

/// How long output is waited for after everyone found is gone; only somebody not found can hold it open.
const DRAIN: Duration = Duration::from_millis(500);
const CHUNK: usize = 64 * 1024;

/// Where a program's output comes from.
pub(in crate::exec) enum Source {
    Pipe(PipeReader),
    File(Followed),
}

/// One source and what was kept of it.
struct Stream {
    /// Until its end; a file has one when its program is over.
    source: Option<Source>,
    capture: Capture,
}

impl Stream {
    /// One piece, if there is one now. Empty at the end of a pipe.
    fn read(&mut self, chunk: &mut [u8]) -> Result<usize> {
        let n = match &mut self.source {
            None => return Ok(0),
            Some(Source::File(file)) => file.read(chunk)?,
            Some(Source::Pipe(pipe)) => match pipe.read(chunk) {
                Ok(0) => {
                    self.source = None;
                    0
                }
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(e).context("read output"),
            },
        };
        self.capture.take(&chunk[..n]);
        Ok(n)
    }

    fn pipe(&self) -> Option<&PipeReader> {
        match &self.source {
            Some(Source::Pipe(pipe)) => Some(pipe),
            _ => None,
        }
    }

    fn file(&self) -> Option<&Followed> {
        match &self.source {
            Some(Source::File(file)) => Some(file),
            _ => None,
        }
    }
}

/// Stdout, and stderr where it is kept apart.
pub(in crate::exec) struct Streams {
    out: Stream,
    err: Option<Stream>,
    /// When anything was printed last, and when it was of meaning.
    pub last_output: Instant,
    pub last_meaning: Instant,
}

impl Streams {
    pub fn new(out: Capture, err: Option<Capture>) -> Self {
        let stream = |capture| Stream { source: None, capture };
        let now = Instant::now();
        Self { out: stream(out), err: err.map(stream), last_output: now, last_meaning: now }
    }

    pub fn attach(&mut self, out: Source, err: Option<PipeReader>) {
        self.out.source = Some(out);
        if let Some(stream) = &mut self.err {
            stream.source = err.map(Source::Pipe);
        }
    }

    /// Takes in what there is, a piece of each at most, waiting at most `wait` for the first.
    pub fn read(&mut self, wait: Duration, observer: &mut dyn Observer) -> Result<()> {
        // A file that grows wakes no reader.
        if self.out.file().is_some() && self.read_out(observer)? > 0 {
            return Ok(());
        }
        let wait = Timespec { tv_sec: 0, tv_nsec: wait.subsec_nanos().into() };
        let (out, err) = (self.out.pipe(), self.err.as_ref().and_then(Stream::pipe));
        let mut watched: Vec<_> = out.iter().chain(err.iter()).map(|pipe| PollFd::new(*pipe, PollFlags::IN)).collect();
        match poll(&mut watched, Some(&wait)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => return Ok(()),
            Ok(_) => {}
            Err(e) => return Err(e).context("wait for output"),
        }
        let mut ready = watched.iter().map(|fd| !fd.revents().is_empty());
        let out_ready = out.is_some() && ready.next().unwrap_or(false);
        let err_ready = err.is_some() && ready.next().unwrap_or(false);
        if out_ready {
            self.read_out(observer)?;
        }
        if let Some(err) = self.err.as_mut().filter(|_| err_ready) {
            let mut chunk = [0; CHUNK];
            let n = err.read(&mut chunk)?;
            if n > 0 {
                self.last_output = Instant::now();
                observer.observe_errors(&chunk[..n]);
            }
        }
        Ok(())
    }

    fn read_out(&mut self, observer: &mut dyn Observer) -> Result<usize> {
        let mut chunk = [0; CHUNK];
        let n = self.out.read(&mut chunk)?;
        if n > 0 {
            self.last_output = Instant::now();
            if observer.observe(&chunk[..n]) {
                self.last_meaning = self.last_output;
            }
        }
        Ok(n)
    }

    /// Reads what is in the file now, however long that takes, and what is still in the pipes, for a limited time: a
    /// process that was not found may hold them open.
    pub fn drain(&mut self, step: Duration, observer: &mut dyn Observer) -> Result<()> {
        if let Some(mut left) = self.out.file().map(Followed::left).transpose()? {
            while left > 0 {
                let n = self.read_out(observer)?;
                left = if n == 0 { 0 } else { left.saturating_sub(n as u64) };
            }
            self.out.source = None;
        }
        let until = Instant::now() + DRAIN;
        while self.is_open() && Instant::now() < until {
            self.read(step, observer)?;
        }
        Ok(())
    }

    fn is_open(&self) -> bool {
        self.out.source.is_some() || self.err.as_ref().is_some_and(|stream| stream.source.is_some())
    }

    pub fn finish(self) -> Result<(Captured, Option<Captured>)> {
        let err = self.err.map(|stream| stream.capture.finish()).transpose()?;
        Ok((self.out.capture.finish()?, err))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::exec::output::capture::Keep;
    use crate::exec::output::observer::Control;

    /// Takes longer for the first piece than pipes are waited for, as a disk may.
    struct Slow(usize);

    impl Observer for Slow {
        fn observe(&mut self, chunk: &[u8]) -> bool {
            if self.0 == 0 {
                std::thread::sleep(DRAIN);
            }
            self.0 += chunk.len();
            true
        }

        fn control(&mut self) -> Control {
            Control::Continue
        }
    }

    #[test]
    fn a_file_is_read_to_its_end_however_long_that_takes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.out");
        let (near, mut program) = Followed::new(&path).unwrap();
        program.write_all(&[b'x'; 4 * CHUNK]).unwrap();
        let mut streams = Streams::new(Capture::create(&path, Keep::default()).unwrap(), None);
        streams.attach(Source::File(near), None);
        let mut slow = Slow(0);
        streams.drain(Duration::from_millis(10), &mut slow).unwrap();
        assert_eq!(slow.0, 4 * CHUNK);
    }
}
