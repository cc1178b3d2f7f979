//! `teof top`: the terminal screen that an operator keeps open.
//!
//! One thread owns the [`state`]: it takes an input, [`update`]s the state, performs the effects, and [`draw`]s. The
//! [`threads`] around it read the board, the keyboard and the signals, and carry out commands. The screen is drawn only
//! after an input, and once a second.

mod draw;
mod state;
mod terminal;
mod threads;
mod update;

use std::io::Write;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::Duration;

use anyhow::Context;
use ratatui::crossterm::style::available_color_count;
use ratatui::crossterm::terminal::size;
use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP, SIGWINCH};
use terminal_colorsaurus::{QueryOptions, ThemeMode, theme_mode};

use self::draw::theme::{Background, Colours, Theme};
use self::state::{Effect, Input, Key, Said, State};
use self::terminal::Screen;
use self::threads::job::Source;
use self::threads::signals::ENDING;
use self::threads::{Message, board, commands, job, keys, signals};
use super::operator::{Command, Operator};
use crate::base::{Refusal, Result};
use crate::hub::Hub;

/// The screen tells time.
const SECOND: Duration = Duration::from_secs(1);
/// How long a terminal may take to say what its background is. Most that do not know it answer at once, too.
const ANSWER: Duration = Duration::from_millis(150);

/// How the screen looks and behaves.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// The mouse selects rows; the terminal's own selection of text is off then.
    pub mouse: bool,
    pub colours: bool,
}

/// Why the screen was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    ByThePerson,
    /// The process is to end by this signal.
    BySignal(i32),
}

/// The terminal is gone.
const GONE: Left = Left::BySignal(SIGHUP);

/// Shows the screen until the person quits or a signal ends it. The terminal is as before then.
///
/// # Errors
/// When the terminal cannot be used.
pub fn run(hub: &Hub, operator: Arc<dyn Operator>, options: Options) -> Result<Left> {
    let caught = signals::handle()?;
    signals::end_with_parent();
    let (tell, messages) = mpsc::channel();
    // Before the screen is taken over: the terminal is asked, and its answer must not be taken for keys.
    let theme = Theme(colours(options));
    let mut screen = Screen::enter(options.mouse).map_err(|e| {
        Refusal::guard("top.terminal", "this terminal cannot show the screen")
            .because(e.to_string())
            .next("teof status --watch")
    })?;
    let mut top = Top {
        state: State::new(project(hub), hub.now(), size().unwrap_or((80, 24))),
        hub,
        theme,
        commands: start_commands(operator, &tell)?,
        requests: start_readers(hub, &tell)?,
        own_stops: 0,
    };
    let out = tell.clone();
    start(move || signals::run(caught, &out))?;
    start(move || keys::run(&tell))?;
    let left = top.show(&mut screen, &messages);
    drop(screen);
    if let Ok(Left::BySignal(_)) = left {
        top.finish(&messages);
    }
    left
}

fn project(hub: &Hub) -> String {
    // The record may have a worktree of its own; people know the one with the repository.
    let folder = match hub.common_dir.parent() {
        Some(parent) if hub.common_dir.ends_with(".git") => parent,
        _ => &hub.root,
    };
    let name = folder.file_name().unwrap_or(folder.as_os_str());
    crate::base::text::safe(&name.to_string_lossy())
}

fn colours(options: Options) -> Colours {
    match available_color_count() {
        _ if !options.colours => Colours::None,
        256.. => Colours::Many(background()),
        _ => Colours::Few,
    }
}

/// What `COLORFGBG` says, which some terminals set, or what the terminal answers.
fn background() -> Background {
    // `15;0` or `15;default;0`: the last is the number of the background's colour, of 16.
    let said = crate::base::env::var("COLORFGBG").and_then(|said| said.rsplit(';').next()?.parse::<u8>().ok());
    match said {
        Some(0..=6 | 8) => return Background::Dark,
        Some(7 | 9..=15) => return Background::Light,
        _ => {}
    }
    let mut options = QueryOptions::default();
    options.timeout = ANSWER;
    match theme_mode(options) {
        Ok(ThemeMode::Dark) => Background::Dark,
        Ok(ThemeMode::Light) => Background::Light,
        Err(_) => Background::Unknown,
    }
}

fn start(work: impl FnOnce() + Send + 'static) -> Result<()> {
    std::thread::Builder::new().spawn(work).map(drop).context("start a thread of the screen")
}

fn start_commands(operator: Arc<dyn Operator>, tell: &Sender<Message>) -> Result<Sender<Command>> {
    let (send, given) = mpsc::channel();
    let out = tell.clone();
    start(move || commands::run(&*operator, &given, &out))?;
    Ok(send)
}

/// Each reader has a hub of its own.
fn start_readers(hub: &Hub, tell: &Sender<Message>) -> Result<Sender<Source>> {
    let (send, requests) = mpsc::channel();
    let (out, own) = (tell.clone(), Hub::find(Some(&hub.root), hub.clock)?);
    start(move || board::run(&own, &out))?;
    let (out, own) = (tell.clone(), Hub::find(Some(&hub.root), hub.clock)?);
    start(move || job::run(&own, &requests, &out))?;
    Ok(send)
}

struct Top<'a> {
    state: State,
    hub: &'a Hub,
    theme: Theme,
    commands: Sender<Command>,
    requests: Sender<Source>,
    /// Stop signals that this process sent to its own job.
    own_stops: usize,
}

impl Top<'_> {
    fn show(&mut self, screen: &mut Screen, messages: &Receiver<Message>) -> Result<Left> {
        loop {
            if self.draw(screen).is_err() {
                return Ok(GONE);
            }
            let first = match messages.recv_timeout(SECOND) {
                Ok(message) => message,
                Err(RecvTimeoutError::Timeout) => Message::Input(Input::Tick),
                Err(RecvTimeoutError::Disconnected) => return Ok(Left::ByThePerson),
            };
            self.state.now = self.hub.now();
            // What came together is drawn together.
            for message in std::iter::once(first).chain(messages.try_iter()) {
                if let Some(left) = self.take(screen, message)? {
                    return Ok(left);
                }
            }
        }
    }

    /// The size of the terminal may be another one than when it told of a change last.
    fn draw(&mut self, screen: &mut Screen) -> std::io::Result<()> {
        let (state, theme) = (&mut self.state, self.theme);
        screen.terminal.draw(|frame| {
            let size = (frame.area().width, frame.area().height);
            if state.size != size {
                update::update(state, Input::Resize(size.0, size.1));
            }
            draw::draw(state, theme, frame);
        })?;
        Ok(())
    }

    /// Waits for the commands that were given, now that the screen is gone: an approval is not cut short. One more
    /// signal ends the process all the same.
    fn finish(&mut self, messages: &Receiver<Message>) {
        if let Some(busy) = self.state.busy.front() {
            // There may be no terminal to tell it to.
            let _ = writeln!(std::io::stderr(), "teof top: {} is carried out first; Ctrl-C ends at once", busy.what);
        }
        while !self.state.busy.is_empty() {
            match messages.recv() {
                Ok(Message::Input(input @ Input::Done(_))) => drop(update::update(&mut self.state, input)),
                Ok(Message::Signal(SIGINT | SIGQUIT | SIGTERM)) | Err(_) => return,
                Ok(_) => {}
            }
        }
    }

    fn take(&mut self, screen: &mut Screen, message: Message) -> Result<Option<Left>> {
        let input = match message {
            Message::Input(input) => input,
            Message::Gone => return Ok(Some(GONE)),
            Message::Signal(SIGINT) => Input::Key(Key::Ctrl('c')),
            Message::Signal(signal) if ENDING.contains(&signal) => return Ok(Some(Left::BySignal(signal))),
            Message::Signal(SIGTSTP) => {
                match self.own_stops.checked_sub(1) {
                    Some(left) => self.own_stops = left,
                    None => screen.suspend(false)?,
                }
                return Ok(None);
            }
            Message::Signal(SIGCONT) => {
                screen.again()?;
                return Ok(None);
            }
            Message::Signal(SIGWINCH) => {
                let (columns, rows) = size().unwrap_or(self.state.size);
                Input::Resize(columns, rows)
            }
            Message::Signal(_) => return Ok(None),
        };
        for effect in update::update(&mut self.state, input) {
            match effect {
                Effect::Perform(command) => drop(self.commands.send(command)),
                Effect::Read(job) => drop(self.source(job).map(|source| self.requests.send(source))),
                Effect::Suspend => self.suspend(screen)?,
                Effect::Redraw => screen.terminal.clear()?,
                Effect::Quit => return Ok(Some(Left::ByThePerson)),
            }
        }
        Ok(None)
    }

    fn suspend(&mut self, screen: &mut Screen) -> Result<()> {
        if terminal::can_suspend() {
            self.own_stops += 1;
            return Ok(screen.suspend(true)?);
        }
        let text = "There is no shell here that could continue this screen".to_owned();
        self.state.said = Some(Said { text, is_good: false });
        Ok(())
    }

    /// Where to read about a job.
    fn source(&self, job: String) -> Option<Source> {
        let (known, waiting) = (self.state.job(&job), self.state.waiting(&job));
        let run = known.map(|job| &job.run).or(waiting.map(|one| &one.run))?.clone();
        let bundle = known.and_then(|job| job.bundle.clone()).or_else(|| waiting.map(|one| one.bundle.clone()));
        let blocked = known.filter(|job| job.phase == "blocked");
        let commit = blocked.and_then(|job| job.commit.clone());
        Some(Source { job, run, bundle, commit })
    }
}

#[cfg(test)]
mod tests;
