//! Checks whether a person gives a command: only people decide about consent, approval, review and trust.
//!
//! It refuses a seat (`TEOF_AGENT`), everything that a worker started ([`run`]), and a coding agent's program
//! outside a run ([`programs`]) without an operator token ([`token`]). Everything else passes, including scripts and
//! CI. Decisions record how the person was recognised.
//!
//! Without confinement, a program of the same user that neither a worker nor an agent started can pass. Its commands
//! are recorded as recognised by `neither`.

pub mod programs;
pub mod run;
pub mod token;
pub mod verbs;

use std::fmt;
use std::io::IsTerminal;

use serde::{Deserialize, Serialize};

use super::secrets;
use crate::base::{Refusal, Result, env, text};
use crate::exec;
use crate::hub::repository::identity;
use crate::hub::{Hub, settings};
use crate::seats::{manifest, pool};

pub use crate::model::seat::OPERATOR;

/// How a person was recognised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Recognised {
    /// The command was given at a terminal.
    Terminal,
    /// The command came with an operator token.
    Token,
    /// No person: a policy that a person granted.
    Policy,
    /// Not recognised: a script, CI, or a record of an older version.
    #[default]
    Neither,
}

impl Recognised {
    pub fn as_str(self) -> &'static str {
        match self {
            Recognised::Terminal => "terminal",
            Recognised::Token => "token",
            Recognised::Policy => "policy",
            Recognised::Neither => "neither",
        }
    }
}

impl fmt::Display for Recognised {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Passes for a person; `what` is the action that only a person may take: "approve work".
///
/// # Errors
/// `trust.person` (exit 6) for a seat, a worker's child and a coding agent; `token.unknown` for an invalid token;
/// `operator.terminal` when the person's settings require a terminal or a token.
pub fn require(what: &str) -> Result<Recognised> {
    run::refuse(what)?;
    if let Some(seat) = env::var(env::AGENT) {
        return Err(Refusal::unattended("trust.person", format!("only a person may {what}"))
            .because(format!("{} is set: the seat {} is acting", env::AGENT, text::safe(&seat)))
            .next(format!("as a person, run it without the seat: env -u {} teof …", env::AGENT))
            .into());
    }
    recognise(what)
}

/// Like [`require`], for actions that a seat may take as well, such as lifting its own hold. A run and a coding agent
/// without a token are refused.
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
            .next("ask a person to run it in their own terminal")
            .next(format!("or, as a person, set {}: teof operator token --help", env::OPERATOR_TOKEN))
            .into());
    }
    match (std::io::stdin().is_terminal(), settings::load::requires_terminal()?) {
        (true, _) => Ok(Recognised::Terminal),
        (false, false) => Ok(Recognised::Neither),
        (false, true) => Err(Refusal::unattended("operator.terminal", format!("only a person may {what}"))
            .because("your settings require a terminal or a token ([people] require), and stdin is not a terminal")
            .next("run the command in a terminal")
            .next(format!("or set a token as {}: teof operator token --help", env::OPERATOR_TOKEN))
            .into()),
    }
}

/// Refuses seats, runs and coding agents, for acts that a person allowed beforehand.
///
/// # Errors
/// `trust.person` (exit 6).
pub fn refuse_agents(what: &str) -> Result<()> {
    run::refuse_below_workers(what)?;
    let seat =
        env::var(env::AGENT).map(|seat| format!("{} is set: the seat {} is acting", env::AGENT, text::safe(&seat)));
    match seat.or_else(agent_at_work) {
        None => Ok(()),
        Some(why) => Err(Refusal::unattended("trust.person", format!("no agent may {what}"))
            .because(why)
            .next("start the coordinator in a terminal or as a service: teof run")
            .into()),
    }
}

/// How the author of a command was recognised, for commands that not only people run. For the record only: it grants
/// nothing.
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

/// The person who writes as the operator, for the record.
#[derive(Clone, Debug)]
pub struct Person {
    /// For git.
    pub name: String,
    pub recognised: Recognised,
}

/// The person who gives this command. It may start git, so call it before the bus lock is taken.
pub fn person(hub: &Hub) -> Person {
    Person { name: identity::name_of_person(hub), recognised: seen() }
}

/// The coding agent that runs this process, if any, as text.
pub fn agent_at_work() -> Option<String> {
    coding_agent().map(|(_, why)| why)
}

/// The coding agent that runs this process, and how it was recognised.
fn coding_agent() -> Option<(&'static str, String)> {
    let above = exec::ancestors().unwrap_or_default();
    let program = above.iter().find_map(|process| {
        let agent = programs::known(process.program.as_deref(), &process.arguments())?;
        Some((agent, format!("the coding agent {agent} runs this command (process {})", process.pid)))
    });
    program.or_else(|| {
        let (variable, agent) = programs::by_variable(env::var)?;
        Some((agent, format!("the coding agent {agent} runs this command ({variable} is set)")))
    })
}

/// The name under which a command is recorded that agents may give as well: the seat's or the coding agent's own, else
/// the person's.
pub fn speaker(hub: &Hub) -> String {
    if let Some(seat) = env::var(env::AGENT) {
        // Whoever sets the variable could name a person.
        return if is_seat(hub, &seat) { seat } else { format!("seat {}", text::clip(&text::safe(&seat), 60)) };
    }
    let has_token = matches!(token::shown(), Ok(Some(_)));
    match coding_agent().filter(|_| !has_token) {
        Some((agent, _)) => agent.to_owned(),
        None => name_of_git(hub),
    }
}

/// The person's name as git has it, for commands that must work under any name, such as a stop. A name that [`name`]
/// refuses is marked.
pub fn name_of_git(hub: &Hub) -> String {
    name(hub, None).unwrap_or_else(|_| format!("{} (git's user.name)", identity::name_of_person(hub)))
}

/// The person's name: `by`, else git's user.name.
///
/// # Errors
/// `operator.is_seat` for the name of a seat or a coding agent, and when `by` has characters that are not seen;
/// `text.secret` when `by` holds a secret.
pub fn name(hub: &Hub, by: Option<&str>) -> Result<String> {
    let by = by.map(str::trim).filter(|by| !by.is_empty());
    let name = by.map_or_else(|| identity::name_of_person(hub), str::to_owned);
    by.map_or(Ok(()), |by| secrets::check_text("name", by))?;
    // Some scripts need joiners in names, so git's name may have them.
    let is_hidden = by.is_some_and(|by| text::safe(by) != by);
    let seen: String = name.to_lowercase().chars().filter(|c| !text::is_hidden(*c)).collect();
    let seen = seen.trim();
    let why = match () {
        () if is_hidden => "has characters that are not seen",
        () if is_seat(hub, seen) => "is a seat, not a person",
        () if programs::is_name(seen) => "is a coding agent, not a person",
        () => return Ok(name),
    };
    let refusal = Refusal::guard("operator.is_seat", format!("{} {why}", text::safe(&name)));
    Err(match by {
        Some(_) => refusal
            .because("--by must name the person who decides")
            .next("omit --by to use git's user.name, or pass your own name"),
        None => refusal
            .because("the person who decides is recorded under git's user.name")
            .next("set your own name: git config --global user.name \"…\""),
    }
    .into())
}

/// Whether a name belongs to a seat: one with a manifest, a session or receipts here, or in the settings.
fn is_seat(hub: &Hub, name: &str) -> bool {
    let is_it = |seat: &str| seat.eq_ignore_ascii_case(name);
    let of_settings = hub.settings().map(|settings| {
        let pool = settings.session.pool.iter();
        pool.chain([&settings.coordinator.manager]).any(|seat| is_it(seat))
    });
    let has_manifest = || manifest::all(hub).is_ok_and(|seats| seats.iter().any(|seat| is_it(seat.agent())));
    let has_folder = ["_report/agent", "_report/session"].into_iter().any(|folder| {
        let entries = std::fs::read_dir(hub.root.join(folder)).into_iter().flatten().flatten();
        entries.into_iter().any(|entry| is_it(&entry.file_name().to_string_lossy()))
    });
    is_it(OPERATOR) || pool::is_made(name) || of_settings.unwrap_or(false) || has_folder || has_manifest()
}
