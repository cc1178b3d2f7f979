//! `teof session logs`

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use super::show;
use crate::agents::{self, Stream};
use crate::base::json::compact;
use crate::base::{Refusal, Result, files, text};
use crate::cli::App;
use crate::coordinator::sessions;
use crate::foreman;
use crate::guard::secrets;
use crate::hub::Hub;
use crate::hub::watch::Watch;
use crate::sessions::{Mode, SessionRecord};

/// Print what the program of a session said and did
///
/// An agent's stream is shown as its texts and tool calls, a command's output as it is; secrets are left out.
///
/// With --json: one {line} per line.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof session logs j1\n\
\x20 teof session logs QUEUE-004 -f")]
pub struct Args {
    /// A session; or a run, job or task (its newest session)
    session: String,
    /// Keep printing until the session ends
    #[arg(long, short)]
    follow: bool,
    /// Print the agent's stream as it is
    #[arg(long)]
    raw: bool,
}

/// How often the record is read while a log is followed and nothing seems to change.
const SAFETY: Duration = Duration::from_secs(1);
/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;
/// A line that is longer is printed in parts, in bytes.
const LONGEST: usize = 1 << 20;

pub fn run(args: &Args, app: &App) -> Result<()> {
    let hub = app.hub_to_read()?;
    let found = show::find(hub, &args.session)?;
    let Some(file) = files::open_regular(&found.log)? else {
        return Err(Refusal::not_found("session.no_log", format!("session {} has no stream", found.id))
            .because(format!("{} does not exist", found.log.display()))
            .next(format!("see the session: teof session show {}", found.id))
            .into());
    };
    let watch = args.follow.then(|| Watch::on(found.log.parent()));
    let mut reader = Reader::of(hub, &found, args.raw, file)?;
    let print = |line: &str| match app.json() {
        true => app.out(compact(&json!({ "line": line }))),
        false => app.out(line),
    };
    loop {
        // Before the rest is read: what is printed later belongs to a session that goes on.
        let is_over = sessions::find(hub, &found.id)?.status.is_over();
        reader.rest(print)?;
        if reader.is_cut(print)? {
            print("… the log was cut here, at its size limit");
        }
        match &watch {
            Some(watch) if !is_over => drop(watch.wait(SAFETY)),
            _ => break,
        }
    }
    reader.last_line(print);
    Ok(())
}

/// Makes lines for people of what a program printed.
struct Reader {
    /// `None`: the output is shown as it is.
    stream: Option<Stream>,
    /// What the paths in the stream are relative to.
    worktree: PathBuf,
    log: PathBuf,
    file: File,
    /// The start of a line whose end is not there yet.
    begun: Vec<u8>,
}

impl Reader {
    fn of(hub: &Hub, record: &SessionRecord, raw: bool, file: File) -> Result<Reader> {
        let agent = record.program.as_deref().filter(|_| record.mode == Mode::Autonomous && !raw);
        // An agent that is no longer in the settings: its stream is shown as it is.
        let format = agent.and_then(|agent| Some(agents::find(hub.settings().ok()?, agent).ok()?.format));
        let stream = format.map(|format| Stream::new(format, None));
        Ok(Reader { stream, worktree: record.worktree.clone(), log: record.log.clone(), file, begun: Vec::new() })
    }

    /// Prints what is new.
    fn rest(&mut self, print: impl Fn(&str)) -> Result<()> {
        let mut piece = vec![0; PIECE];
        loop {
            let length = self.file.read(&mut piece)?;
            if length == 0 {
                return Ok(());
            }
            match &mut self.stream {
                Some(stream) => {
                    let events = stream.take(&piece[..length]);
                    let shown = events.iter().filter_map(|event| foreman::one_line(event, &self.worktree));
                    shown.for_each(|line| print(&line));
                }
                None => {
                    self.begun.extend_from_slice(&piece[..length]);
                    self.whole_lines(&print);
                }
            }
        }
    }

    /// Whether another file took the place of the log, as when a terminal's log is over its limit. Reading goes on at
    /// its end: most of it was read in the old one.
    fn is_cut(&mut self, print: impl Fn(&str)) -> Result<bool> {
        let Some(mut new) = files::open_regular(&self.log)? else { return Ok(false) };
        if files::identity(&new)? == files::identity(&self.file)? {
            return Ok(false);
        }
        // What the old one got before.
        self.rest(&print)?;
        self.last_line(&print);
        new.seek(SeekFrom::End(0))?;
        self.file = new;
        Ok(true)
    }

    fn whole_lines(&mut self, print: &impl Fn(&str)) {
        let end = self.begun.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let Some(end) = end.or((self.begun.len() > LONGEST).then_some(self.begun.len())) else { return };
        let lines: Vec<u8> = self.begun.drain(..end).collect();
        shown(&lines).lines().for_each(print);
    }

    /// A last line that has no newline.
    fn last_line(&mut self, print: impl Fn(&str)) {
        if !self.begun.is_empty() {
            print(&shown(&std::mem::take(&mut self.begun)));
        }
    }
}

fn shown(bytes: &[u8]) -> String {
    // Terminals end lines with both.
    let said = String::from_utf8_lossy(bytes).replace("\r\n", "\n");
    secrets::redact(&text::safe_block(&said))
}
