//! Checks whether a person gives a command: only people decide about consent, approval, review and trust.
//!
//! It refuses a seat (`TEOF_AGENT`), everything that a worker started ([`run`]), and a coding agent's program
//! outside a run ([`programs`]) without an operator token ([`token`]). Everything else passes, including scripts and
//! CI. Decisions record how the person was recognised.
//!
//! Without confinement, a program that runs as the same user and was started by neither can pass: its commands are
//! recorded as recognised by `neither`.

pub mod programs;
pub mod run;
pub mod token;

use std::fmt;
use std::io::IsTerminal;

use serde::{Deserialize, Serialize};

use crate::base::{Refusal, Result, env, text};
use crate::exec;
use crate::hub::{Hub, settings};
use crate::seats::manifest;

/// The author of what people do.
pub const OPERATOR: &str = "operator";

/// How a person was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Recognised {
    /// The command was given at a terminal.
    Terminal,
    /// It showed an operator token.
    Token,
    /// By nothing: a script, CI, or an older version that did not say.
    #[default]
    Neither,
}

impl Recognised {
    pub fn as_str(self) -> &'static str {
        match self {
            Recognised::Terminal => "terminal",
            Recognised::Token => "token",
            Recognised::Neither => "neither",
        }
    }
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Passes for a person; `what` says what only a person may do: "approve work".
///
/// # Errors
/// `trust.person` (exit 6) for a seat, a worker's child and a coding agent; `token.unknown` when a token is
/// shown that is none; `operator.terminal` where the person's settings ask for a terminal or a token.
pub fn require(what: &str) -> Result<Recognised> {
    run::refuse(what)?;
    if let Some(seat) = env::var(env::AGENT) {
        return Err(Refusal::unattended("trust.person", format!("only a person may {what}"))
            .because(format!("{} says that the seat {} acts", env::AGENT, text::safe(&seat)))
            .next(format!("as a person, without a seat: env -u {} teof …", env::AGENT))
            .into());
    }
    recognise(what)
}

/// Like [`require`], for what a seat may do as well: a seat that stands aside lifts a hold as a person does, and
/// neither a run nor a coding agent by itself.
///
/// # Errors
/// Like [`require`].
pub fn recognise(what: &str) -> Result<Recognised> {
    run::refuse(what)?;
    if token::shown()?.is_some() {
        return Ok(Recognised::Token);
    }
    if let Some(agent) = agent_at_work() {
        return Err(Refusal::unattended("trust.person", format!("only a person may {what}"))
            .because(agent)
            .next("leave it to a person at a terminal of their own")
            .next(format!("a person who means it shows {}: teof operator token --help", env::OPERATOR_TOKEN))
            .into());
    }
    match (std::io::stdin().is_terminal(), settings::load::requires_terminal()?) {
        (true, _) => Ok(Recognised::Terminal),
        (false, false) => Ok(Recognised::Neither),
        (false, true) => Err(Refusal::unattended("operator.terminal", format!("only a person may {what}"))
            .because("your settings ask for a terminal or a token ([people] require), and stdin is no terminal")
            .next("give the command at a terminal")
            .next(format!("or show a token as {}: teof operator token --help", env::OPERATOR_TOKEN))
            .into()),
    }
}

/// How whoever gives a command that not only people give was recognised: for the record, and no leave.
pub fn seen() -> Recognised {
    if run::inside().is_some() || env::var(env::AGENT).is_some() {
        return Recognised::Neither;
    }
    match token::shown() {
        Ok(Some(_)) => Recognised::Token,
        _ if agent_at_work().is_none() && std::io::stdin().is_terminal() => Recognised::Terminal,
        _ => Recognised::Neither,
    }
}

/// Which coding agent's program runs this, if one does; in words.
pub fn agent_at_work() -> Option<String> {
    let above = exec::ancestors().unwrap_or_default();
    let program = above.iter().find_map(|process| {
        let agent = programs::known(process.program.as_deref(), &process.arguments())?;
        Some(format!("the coding agent {agent} runs it (process {})", process.pid))
    });
    program.or_else(|| {
        let (variable, agent) = programs::by_variable(env::var)?;
        Some(format!("the coding agent {agent} runs it ({variable} is set)"))
    })
}

/// The person's name: `by`, else the name that git knows the person by.
///
/// # Errors
/// `operator.is_seat` when `by` names a seat.
pub fn name(hub: &Hub, by: Option<&str>) -> Result<String> {
    let Some(by) = by.map(str::trim).filter(|by| !by.is_empty()) else {
        return Ok(crate::hub::git::identity::of_person(hub).name);
    };
    if by.eq_ignore_ascii_case(OPERATOR) || is_seat(hub, by) {
        return Err(Refusal::guard("operator.is_seat", format!("{} is a seat, not a person", text::safe(by)))
            .because("--by names the person who decides; a seat decides nothing")
            .next("leave --by out to use your name as git knows it, or give your own name")
            .into());
    }
    Ok(by.to_owned())
}

/// Whether a name is that of a seat: one with a manifest, a session or receipts here, or of the settings.
fn is_seat(hub: &Hub, name: &str) -> bool {
    let of_settings = hub.settings().map(|settings| {
        let pool = settings.session.pool.iter();
        pool.chain([&settings.coordinator.manager]).any(|seat| seat.eq_ignore_ascii_case(name))
    });
    let has_manifest =
        manifest::all(hub).is_ok_and(|seats| seats.iter().any(|seat| seat.agent().eq_ignore_ascii_case(name)));
    let has_folder = ["_report/agent", "_report/session"].into_iter().any(|folder| {
        let entries = std::fs::read_dir(hub.root.join(folder)).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| entry.file_name().to_string_lossy().eq_ignore_ascii_case(name))
    });
    of_settings.unwrap_or(false) || has_manifest || has_folder
}
