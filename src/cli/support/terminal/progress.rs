//! A status line for everything that takes longer than a second: the current stage and its time.
//!
//! A thread draws it on stderr, only where that is a terminal that can redraw. Whoever prints removes the line first
//! ([`clear`]), so that it never mixes with output.

use std::io::{self, Write};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::style::{self, Meaning};
use super::table::clip;
use crate::base::text;
use crate::base::time::duration;

/// The line appears after this time, and is drawn again as often.
const EVERY: Duration = Duration::from_secs(1);

/// Whether the line is on the terminal now. Locked while anything is written there.
static DRAWN: Mutex<bool> = Mutex::new(false);

/// Shows the line until it is dropped.
pub struct Progress {
    stage: Arc<Mutex<(String, Instant)>>,
    drawing: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Progress {
    /// Starts with the first stage. Shows nothing where `is_shown` is false or stderr cannot redraw.
    pub fn start(is_shown: bool, stage: impl Into<String>) -> Progress {
        let stage = Arc::new(Mutex::new((stage.into(), Instant::now())));
        if !is_shown || !style::can_redraw(&io::stderr()) {
            return Progress { stage, drawing: None };
        }
        let (stop, stopped) = channel();
        let shared = Arc::clone(&stage);
        let thread = std::thread::Builder::new().spawn(move || {
            while stopped.recv_timeout(EVERY) == Err(RecvTimeoutError::Timeout) {
                let (stage, since) = locked(&shared).clone();
                draw(&stage, since.elapsed());
            }
        });
        Progress { stage, drawing: thread.ok().map(|thread| (stop, thread)) }
    }

    /// Goes on to another stage.
    pub fn stage(&self, stage: impl Into<String>) {
        *locked(&self.stage) = (stage.into(), Instant::now());
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some((stop, thread)) = self.drawing.take() {
            drop(stop);
            let _ = thread.join();
            drop(clear());
        }
    }
}

fn draw(stage: &str, spent: Duration) {
    let mut drawn = locked(&DRAWN);
    let columns = style::size(&io::stderr()).map_or(80, |(columns, _)| columns);
    let spent = duration(spent);
    let stage = clip(&text::safe(stage), columns.saturating_sub(spent.len() + 3));
    let line = format!("{stage}  {}", style::paint(Meaning::Quiet, spent));
    let _ = write!(io::stderr(), "\r{}\x1b[K", style::for_stderr(&line));
    *drawn = true;
}

/// Removes the line before something is printed. Nothing is drawn while the guard is held.
pub fn clear() -> MutexGuard<'static, bool> {
    let mut drawn = locked(&DRAWN);
    if std::mem::take(&mut *drawn) {
        let _ = write!(io::stderr(), "\r\x1b[K");
    }
    drawn
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
