//! Runs a command of our own binary for a tool, as the server's seat.

use std::process::{Command, Stdio};
use std::sync::Arc;

use anyhow::Context;
use serde_json::Value;
use tokio::sync::Semaphore;

use super::errors::Refused;
use super::options::Options;
use crate::base::{Refusal, Result, env, text};
use crate::exec;
use crate::guard::operator::{self, OPERATOR};
use crate::hub::Hub;
use crate::seats;

/// How many commands that read run at once; the next wait.
const READS_AT_ONCE: usize = 4;
/// The longest argument in bytes; the system takes about twice that.
const MAX_ARGUMENT: usize = 64 << 10;
/// How much of what a command says beside its answer is passed on, in characters.
const MAX_NOTES: usize = 2000;

/// A command line without the program. Values are rendered as `--flag=value`, and the rest stands after `--`, so that
/// no value is taken for a flag.
#[derive(Clone, Debug)]
pub struct Line {
    words: Vec<String>,
    rest: Vec<String>,
}

impl Line {
    /// `name` is the command: `bus claim`.
    pub fn new(name: &str) -> Line {
        Line { words: name.split(' ').map(str::to_owned).collect(), rest: Vec::new() }
    }

    #[must_use]
    pub fn flag(mut self, flag: &str, value: impl std::fmt::Display) -> Line {
        self.words.push(format!("--{flag}={value}"));
        self
    }

    #[must_use]
    pub fn maybe(self, flag: &str, value: Option<impl std::fmt::Display>) -> Line {
        match value {
            Some(value) => self.flag(flag, value),
            None => self,
        }
    }

    #[must_use]
    pub fn each<T: std::fmt::Display>(self, flag: &str, values: impl IntoIterator<Item = T>) -> Line {
        values.into_iter().fold(self, |line, value| line.flag(flag, value))
    }

    #[must_use]
    pub fn switch(mut self, flag: &str, is_on: bool) -> Line {
        self.words.extend(is_on.then(|| format!("--{flag}")));
        self
    }

    #[must_use]
    pub fn word(mut self, word: impl Into<String>) -> Line {
        self.rest.push(word.into());
        self
    }

    fn arguments(self) -> Vec<String> {
        let separator = (!self.rest.is_empty()).then(|| "--".to_owned());
        self.words.into_iter().chain(["--json".to_owned()]).chain(separator).chain(self.rest).collect()
    }
}

/// What a command answered.
#[derive(Clone, Debug)]
pub struct Done {
    /// The document of `--json`.
    pub document: Value,
    /// Warnings and hints.
    pub notes: String,
}

/// Runs commands as the server's seat.
#[derive(Clone, Debug)]
pub struct Commands {
    options: Arc<Options>,
    reads: Arc<Semaphore>,
    /// Commands that write run one after the other, in the order in which they came: a receipt, the event that names
    /// it, and the release may come at once.
    writes: Arc<Semaphore>,
}

impl Commands {
    pub fn new(options: Options) -> Commands {
        let [reads, writes] = [READS_AT_ONCE, 1].map(|slots| Arc::new(Semaphore::new(slots)));
        Commands { options: Arc::new(options), reads, writes }
    }

    /// The seat for which the server acts: found anew each time, as a person may set it meanwhile.
    ///
    /// # Errors
    /// As [`seats::resolve`]; `mcp.operator`; `agent.not_of_run` and the other refusals of a run.
    pub fn seat(&self) -> Result<String> {
        let hub = Hub::find(self.options.root.as_deref(), self.options.clock)?;
        let seat = seats::resolve(&hub, self.options.agent.as_deref())?;
        if seat == OPERATOR {
            return Err(Refusal::unattended("mcp.operator", "teof mcp does not act as the operator")
                .because("an agent calls its tools, and what the operator does is a person's")
                .next("name the agent's seat where the client starts the server: teof mcp --agent codex-1")
                .into());
        }
        operator::run::check_seat(&hub, &seat)?;
        Ok(seat)
    }

    /// Runs a command to its end. One that writes needs a seat.
    ///
    /// # Errors
    /// What the command refused.
    pub async fn run(&self, line: Line, needs_seat: bool) -> Result<Done, Refused> {
        let _slot = if needs_seat { self.writes.acquire().await } else { self.reads.acquire().await };
        let commands = self.clone();
        let ran = tokio::task::spawn_blocking(move || commands.run_here(line, needs_seat)).await;
        ran.unwrap_or_else(|e| Err(Refused::fault(e.to_string())))
    }

    fn run_here(&self, line: Line, needs_seat: bool) -> Result<Done, Refused> {
        let arguments = line.arguments();
        check(&arguments)?;
        let seat = match self.seat() {
            Ok(seat) => Some(seat),
            Err(e) if needs_seat => return Err(Refused::of(&e)),
            Err(_) => None,
        };
        let output = self.start(&arguments, seat).map_err(|e| Refused::of(&e))?;
        let said = text::safe_block(&String::from_utf8_lossy(&output.stderr));
        match serde_json::from_slice(&output.stdout) {
            Ok(document) if output.status.success() => Ok(Done { document, notes: text::clip(said.trim(), MAX_NOTES) }),
            _ => Err(Refused::parse(&String::from_utf8_lossy(&output.stderr), output.status)),
        }
    }

    fn start(&self, arguments: &[String], seat: Option<String>) -> Result<std::process::Output> {
        use std::os::unix::process::CommandExt;
        let mut command = Command::new(exec::own_file().context("find our own binary")?);
        command.arg0("teof").args(arguments).stdin(Stdio::null());
        // What the agent has of a person's is not the agent's.
        command.env_remove(env::OPERATOR_TOKEN);
        if let Some(root) = &self.options.root {
            command.env(env::ROOT, root);
        }
        if let Some(seat) = seat {
            command.env(env::AGENT, seat);
        }
        command.output().context("start a command of our own")
    }
}

/// What no program can be given.
fn check(arguments: &[String]) -> Result<(), Refused> {
    if arguments.iter().any(|argument| argument.contains('\0')) {
        return Err(Refused::usage("mcp.zero_byte", "an argument holds a zero byte", "send text without it"));
    }
    if let Some(long) = arguments.iter().find(|argument| argument.len() > MAX_ARGUMENT) {
        let what = format!("an argument is too long: {} bytes, and the limit is {MAX_ARGUMENT}", long.len());
        return Err(Refused::usage("mcp.too_long", &what, "put the details into a file under _report/, and name it"));
    }
    Ok(())
}
