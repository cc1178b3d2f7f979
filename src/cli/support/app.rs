//! What every command is given: the global flags, the clock, the hub, and output.
//!
//! Data goes to stdout, everything else to stderr.

use std::cell::{Cell, OnceCell};
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;

use serde::Serialize;

use super::failure;
use super::terminal::progress::{self, Progress};
use super::terminal::style::{self, Meaning};
use super::terminal::{Times, pager};
use crate::base::{Clock, Refusal, Result, Stamp, env, json, text};
use crate::guard::operator;
use crate::hub::Hub;

#[derive(Clone, Debug, clap::Args)]
pub struct Global {
    /// Run as if started in this folder
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    pub root: Option<PathBuf>,
    /// Print JSON (errors too, on stderr)
    #[arg(long, global = true, help_heading = "Global options")]
    pub json: bool,
    /// Print no notes and warnings on stderr
    #[arg(long, short, global = true, help_heading = "Global options")]
    pub quiet: bool,
}

pub struct App {
    pub global: Global,
    pub clock: Clock,
    hub: OnceCell<Hub>,
    /// The command said that it only reads.
    only_reads: Cell<bool>,
}

impl App {
    pub fn new(global: &Global) -> Result<App> {
        let clock = Clock::from_env()?;
        if matches!(clock, Clock::Fixed(_)) && !cfg!(debug_assertions) {
            return Err(only_in_tests().into());
        }
        Ok(App { global: global.clone(), clock, hub: OnceCell::new(), only_reads: Cell::new(false) })
    }

    pub fn now(&self) -> Stamp {
        self.clock.now()
    }

    /// The hub, found once.
    pub fn hub(&self) -> Result<&Hub> {
        if let Some(hub) = self.hub.get() {
            return Ok(hub);
        }
        let found = Hub::find(self.global.root.as_deref(), self.clock)?;
        if matches!(self.clock, Clock::Fixed(_)) && !found.local(TEST_CLOCK).exists() {
            return Err(only_in_tests().into());
        }
        Ok(self.hub.get_or_init(|| found))
    }

    /// The hub for a command that only reads: says so when what it shows may be out of date.
    pub fn hub_to_read(&self) -> Result<&Hub> {
        self.only_reads.set(true);
        let hub = self.hub()?;
        if let Some(why) = hub.behind() {
            let reason = Refusal::of(&why).and_then(|refusal| refusal.reason.as_deref());
            self.warn(why.to_string());
            reason.into_iter().for_each(|reason| self.say(format!("cause: {}", text::safe(reason))));
        }
        Ok(hub)
    }

    /// The name of who gives the command: a person's, or a seat's or coding agent's own where those may give it.
    pub fn speaker(&self) -> Result<String> {
        Ok(operator::speaker(self.hub()?))
    }

    pub fn json(&self) -> bool {
        self.global.json
    }

    /// Talk: a line on stderr, unless `--quiet`.
    pub fn say(&self, line: impl AsRef<str>) {
        if !self.global.quiet {
            let _line = progress::clear();
            let line = Times::on_stderr(self.now()).in_text(line.as_ref());
            let line = style::wrap(&line, style::columns_of_stderr(), 2);
            let _ = writeln!(io::stderr(), "{}", style::for_stderr(&line));
        }
    }

    /// A warning on stderr, unless `--quiet`.
    pub fn warn(&self, warning: impl AsRef<str>) {
        self.say(format!("{} {}", style::paint(Meaning::Attention, "warning:"), text::safe(warning.as_ref())));
    }

    /// Data: text on stdout, a newline added. Ends the process, and says why, when it cannot be written:
    /// readers must not take a part of the answer for the whole.
    pub fn out(&self, text: impl AsRef<str>) {
        let line = progress::clear();
        let text = style::for_stdout(text.as_ref());
        let written = writeln!(io::stdout(), "{text}").and_then(|()| failure::flush_stdout());
        drop(line);
        match written {
            Ok(()) => {}
            Err(e) => std::process::exit(failure::unwritten(&e, self.json(), self.only_reads.get())),
        }
    }

    /// A command's answer: the document with `--json`, else the text.
    pub fn result(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.global.json {
            self.out(json::printable(json::pretty(document)));
        } else {
            let text = text();
            if !text.is_empty() {
                self.out(style::prose(&self.times().in_text(&text)));
            }
        }
    }

    /// As [`App::result`], for text that may be longer than the screen: a person sees it in their pager.
    pub fn long_result(&self, document: &impl Serialize, text: impl FnOnce() -> String) {
        if self.global.json {
            return self.result(document, String::new);
        }
        let text = text();
        if !text.is_empty() && !pager::show(&text) {
            self.out(text);
        }
    }

    /// How this command shows times.
    pub fn times(&self) -> Times {
        Times::new(self.now(), self.json())
    }

    /// Shows on a terminal what a command does that may take more than a second, until the value is dropped.
    pub fn progress(&self, stage: impl Into<String>) -> Progress {
        Progress::start(!self.global.quiet, stage)
    }

    /// Whether live progress makes sense on stderr.
    pub fn is_terminal(&self) -> bool {
        io::stderr().is_terminal() && !self.global.quiet
    }
}

/// A fixed time would let one seat outlive the lease of another: only a debug build takes it, and only in a
/// repository that a test made, which holds this file (machine-local).
pub const TEST_CLOCK: &str = "test-clock";

fn only_in_tests() -> Refusal {
    Refusal::usage("time.fixed", format!("{} is set, which only teof's own tests may do", env::NOW))
        .because("leases and sessions are measured with the machine's clock")
        .next(format!("give the command without it: env -u {} teof …", env::NOW))
}
