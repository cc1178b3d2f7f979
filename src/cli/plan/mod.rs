//! `teof plan …`

pub(super) mod approve;
mod attach;
mod checkpoint;
mod list;
mod new;
mod show;
mod status;
mod step;
mod validate;

use std::process::ExitCode;

use clap::Subcommand;

use super::App;
use super::author::Flags;
use super::lazy::Lazy;
use crate::base::{Result, env, files};
use crate::guard::claim::Author;
use crate::guard::operator::{self, OPERATOR};
use crate::hub::{Hub, Tracked};
use crate::model::plan::Plan;
use crate::ops::plan_edit::Editor;
use crate::plans::queue::{self, Warning};
use crate::plans::{Evidence, evidence, store};
use crate::receipts::ledger;

#[derive(Debug, Subcommand)]
pub enum Command {
    New(Lazy<new::Args>),
    List(Lazy<list::Args>),
    Show(Lazy<show::Args>),
    Status(Lazy<status::Args>),
    /// Add a step, or change one.
    #[command(subcommand)]
    Step(Lazy<step::Command>),
    Attach(Lazy<attach::Args>),
    Approve(Lazy<approve::Args>),
    Checkpoint(Lazy<checkpoint::Args>),
    Validate(Lazy<validate::Args>),
}

pub fn run(command: Command, app: &App) -> Result<ExitCode> {
    match command {
        Command::New(Lazy(args)) => new::run(args, app),
        Command::List(Lazy(args)) => list::run(args, app),
        Command::Show(Lazy(args)) => show::run(args, app),
        Command::Status(Lazy(args)) => status::run(args, app),
        Command::Step(Lazy(command)) => step::run(command, app),
        Command::Attach(Lazy(args)) => attach::run(args, app),
        Command::Approve(Lazy(args)) => approve::run(args, app),
        Command::Checkpoint(Lazy(args)) => checkpoint::run(args, app),
        Command::Validate(Lazy(args)) => validate::run(args, app),
    }
}

/// Who edits: the seat that is named or that this process works for, else the person who gives the command.
fn editor(app: &App, flags: &Flags) -> Result<Editor> {
    let hub = app.hub()?;
    let named = flags.agent.clone().or_else(|| env::var(env::AGENT));
    let is_named = named.is_some_and(|named| named != OPERATOR);
    if !is_named && operator::require("edit a plan without a seat").is_ok() {
        return Ok(Editor::Person(app.person()?));
    }
    // Its epoch is checked against the claim under which it edits, once that is known.
    let author = Flags { epoch: None, ..flags.clone() }.author(hub, None)?;
    Ok(Editor::Seat(Author { epoch: flags.epoch, ..author }))
}

/// What counts as tracked while work goes on: what git keeps, and what the ledger lists for the next
/// record commit.
fn tracked(hub: &Hub) -> Result<impl Fn(&str) -> bool + use<>> {
    let git = Tracked::open(&hub.git_dir)?;
    let listed = ledger::listed(&hub.root)?;
    Ok(move |path: &str| listed.contains_key(path) || git.has(path))
}

/// Runs a check with the evidence for receipts when it is strict; git is asked only then.
fn check<T>(hub: &Hub, strict: bool, run: impl FnOnce(Option<&dyn Fn(&str) -> Evidence>) -> T) -> Result<T> {
    if !strict {
        return Ok(run(None));
    }
    let tracked = tracked(hub)?;
    let retired = ledger::retired(&hub.root)?;
    Ok(run(Some(&|path: &str| match retired.contains(path) {
        true => Evidence::Tracked,
        false => evidence::look(&hub.root, path, &tracked),
    })))
}

/// Where a plan departs from its queue entries; a queue entry that cannot be read counts as missing.
fn queue_warnings(hub: &Hub, path: &str, plan: &Plan) -> Vec<Warning> {
    let read = |path: &str| {
        let bytes = files::read(&hub.path(path).ok()?, files::MAX_DOCUMENT).ok()??;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    queue::warnings(plan, store::id_of(path), &read)
}
