//! The coordinator's log: text or a JSON document a line, on stderr, in a file that is rotated, or both.
//!
//! What the coordinator says and what the program warns of go through it. Nothing depends on the file: on a full disk
//! lines are lost, and the work goes on.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use serde_json::json;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::MakeWriter;

use crate::base::{Clock, Result, env, files, json};
use crate::cli::support::terminal::style;
use crate::hub::Hub;
use crate::hub::settings::{LogFormat, LogTo};

/// Machine-local.
pub const FILE: &str = "coordinator/coordinator.log";

/// The log of this process; `None` in a process that is no coordinator.
static LOG: Mutex<Option<Log>> = Mutex::new(None);

struct Log {
    format: LogFormat,
    to: LogTo,
    file: Option<Rotated>,
}

fn log() -> MutexGuard<'static, Option<Log>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Logs from now on as the settings say, or the flags.
///
/// # Errors
/// When the settings or the file cannot be used.
pub fn start(hub: &Hub, format: Option<LogFormat>, to: Option<LogTo>) -> Result<()> {
    let settings = &hub.settings()?.log;
    let (format, to) = (format.unwrap_or(settings.format), to.unwrap_or(settings.to));
    let file = match to {
        LogTo::Stderr => None,
        LogTo::File | LogTo::Both => Some(Rotated::open(hub.local(FILE), settings.rotate_at, settings.keep)?),
    };
    *log() = Some(Log { format, to, file });
    Ok(())
}

/// Whether stderr gets lines as they are shown to people.
pub fn is_for_people() -> bool {
    log().as_ref().is_none_or(|log| log.format == LogFormat::Text && log.to != LogTo::File)
}

/// Writes one line wherever people do not read it: to the file, and to stderr as JSON. `document` and `line` make it.
pub fn write(document: impl Fn() -> String, line: impl Fn() -> String) {
    let mut log = log();
    let Some(log) = log.as_mut() else { return };
    let text = match log.format {
        LogFormat::Json => document(),
        LogFormat::Text => line(),
    };
    if log.format == LogFormat::Json && log.to != LogTo::File {
        let _ = writeln!(io::stderr(), "{text}");
    }
    if let Some(file) = &mut log.file {
        file.line(&text);
    }
}

/// A file that is renamed when it is large: `x.log.1` is the newest of those.
struct Rotated {
    path: PathBuf,
    file: File,
    size: u64,
    max: u64,
    keep: usize,
}

impl Rotated {
    fn open(path: PathBuf, max: u64, keep: usize) -> Result<Rotated> {
        files::create_parent(&path)?;
        let file = files::open_own(&path, OpenOptions::new().create(true).append(true))?;
        let size = file.metadata().map_or(0, |meta| meta.len());
        Ok(Rotated { path, file, size, max, keep })
    }

    fn line(&mut self, text: &str) {
        let line = format!("{text}\n");
        if self.size > 0 && self.size + line.len() as u64 > self.max {
            self.rotate();
        }
        if self.file.write_all(line.as_bytes()).is_ok() {
            self.size += line.len() as u64;
        }
    }

    fn rotate(&mut self) {
        // The last rotation could not make a new file: the rotated ones stay until it can.
        if !self.path.exists() {
            return self.reopen();
        }
        let name = |n: usize| PathBuf::from(format!("{}.{n}", self.path.display()));
        for n in (1..self.keep).rev() {
            let _ = fs::rename(name(n), name(n + 1));
        }
        let moved = match self.keep {
            0 => fs::remove_file(&self.path),
            _ => fs::rename(&self.path, name(1)),
        };
        // One that cannot be renamed goes on.
        if moved.is_ok() {
            self.reopen();
        }
    }

    fn reopen(&mut self) {
        if let Ok(fresh) = Rotated::open(self.path.clone(), self.max, self.keep) {
            *self = fresh;
        }
    }
}

/// Starts logging of warnings at the level that the environment names (default: warnings).
pub fn start_warnings() {
    let level = env::var(env::LOG).and_then(|level| level.parse().ok()).unwrap_or(Level::WARN);
    let make = move || {
        tracing_subscriber::fmt()
            .with_max_level(level)
            .with_writer(Warnings)
            .with_ansi(style::takes_colour(&io::stderr()))
            .with_target(false)
            .without_time()
            .finish()
    };
    // Fails only where one is set already.
    let _ = tracing::subscriber::set_global_default(OnFirst { level, made: LazyLock::new(make) });
}

/// A subscriber that is made when there is something to say: most commands warn of nothing, and making one was nine
/// percent of the instructions of `bus event`.
struct OnFirst<S, F> {
    level: Level,
    made: LazyLock<S, F>,
}

impl<S: Subscriber, F: FnOnce() -> S + Send + 'static> Subscriber for OnFirst<S, F> {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() <= self.level && self.made.enabled(metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(self.level.into())
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        self.made.new_span(span)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        self.made.record(span, values);
    }

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        self.made.record_follows_from(span, follows);
    }

    fn event(&self, event: &Event<'_>) {
        self.made.event(event);
    }

    fn enter(&self, span: &Id) {
        self.made.enter(span);
    }

    fn exit(&self, span: &Id) {
        self.made.exit(span);
    }
}

/// Passes formatted warnings on.
struct Warnings;

impl<'a> MakeWriter<'a> for Warnings {
    type Writer = Warning;

    fn make_writer(&'a self) -> Warning {
        Warning { level: Level::INFO }
    }

    fn make_writer_for(&'a self, meta: &Metadata<'_>) -> Warning {
        Warning { level: *meta.level() }
    }
}

struct Warning {
    level: Level,
}

impl Write for Warning {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if is_for_people() {
            io::stderr().write_all(bytes)?;
        }
        let text = String::from_utf8_lossy(bytes);
        let text = anstream::adapter::strip_str(&text).to_string();
        let (text, at) = (text.trim(), Clock::Machine.now());
        let level = self.level.as_str().to_lowercase();
        let message = text.strip_prefix(self.level.as_str()).unwrap_or(text).trim();
        let document =
            || json::printable(json::compact(&json!({"type": "log", "at": at, "level": level, "text": message})));
        write(document, || format!("{at} {level}: {message}"));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_takes_no_more_room_than_its_files() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x.log");
        let mut log = Rotated::open(path.clone(), 50, 2).unwrap();
        (0..40).for_each(|n| log.line(&format!("line number {n:02}")));
        let names = || fs::read_dir(dir.path()).unwrap().flatten().map(|entry| entry.metadata().unwrap().len());
        assert_eq!(names().count(), 3, "the file and two rotated ones");
        assert!(names().all(|size| size <= 50));
        assert!(fs::read_to_string(&path).unwrap().ends_with("line number 39\n"));
        let mut again = Rotated::open(path.clone(), 50, 2).unwrap();
        again.line("after a new start");
        assert!(fs::read_to_string(&path).unwrap().contains("line number 39\n"));
        // Without rotated files only the newest lines are kept.
        let mut alone = Rotated::open(dir.path().join("y.log"), 30, 0).unwrap();
        (0..9).for_each(|n| alone.line(&format!("line number {n:02}")));
        assert_eq!(names().count(), 4);
    }
}
