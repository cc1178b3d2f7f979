//! The command line: one file per command, each with its arguments, what it runs and how it prints.
//!
//! The only module that prints. Decides nothing about the record: it calls the modules below.

mod maintain;
mod review;
mod start;
mod support;
mod unattended;
mod work;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use support::app::App;
use support::lazy::Lazy;

use crate::base::Result;

/// Coordinate coding agents in one git repository: claims, events, plans and receipts as files.
#[derive(Debug, Parser)]
#[command(name = "teof", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: support::app::Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seats: list, use, save, restore; and the agents' programs: doctor.
    Agent(Lazy<unattended::agent::Args>),
    /// Claims, events and messages.
    Bus(Lazy<work::bus::Args>),
    /// See the main job on a small repository of its own: nothing needs to be configured.
    Quickstart(Lazy<start::quickstart::Args>),
    /// Print how to work with teof: the loop of an agent, or every command.
    Guide(Lazy<start::guide::Args>),
    /// Print a completion script for a shell.
    Completions(Lazy<start::completions::CompletionsArgs>),
    /// Choose the next item of the backlog and hand out its prompt; never executes anything.
    Conductor(Lazy<unattended::conductor::Args>),
    /// Choose work, give it to workers, settle it: run it, see it, tell it what to do.
    Coordinator(Lazy<unattended::coordinator::Args>),
    /// Run a work order, or one of the routines: status, scan, tasks, daily.
    Foreman(Lazy<unattended::foreman::Args>),
    /// What may run unattended: show, grant, revoke.
    Consent(Lazy<unattended::consent::Args>),
    /// Find what is wrong with a set-up, and say how to mend it.
    Doctor(Lazy<maintain::doctor::Args>),
    /// Set up a repository, without touching what is there.
    Init(Lazy<start::init::Args>),
    /// Tokens by which a person is recognised without a terminal
    Operator(Lazy<maintain::operator::Args>),
    /// Print the manual page, or write one per command into a folder.
    Man(Lazy<start::completions::ManArgs>),
    /// Plans: make, list, change, check, approve.
    #[command(subcommand)]
    Plan(Lazy<work::plan::Command>),
    /// Check the record: this seat, or every file of the tree.
    Preflight(Lazy<maintain::preflight::Args>),
    /// Receipts: enter them into the ledger, check them.
    #[command(subcommand)]
    Receipts(Lazy<maintain::receipts::Command>),
    /// Finished work that waits for a person: look at it, merge it, send it back.
    Review(Lazy<review::Args>),
    /// Look for what has gone wrong in the record.
    Scan(Lazy<maintain::scan::Args>),
    /// What there is to do, and who does it.
    Task(Lazy<work::task::Args>),
    /// Trust what the repository's git configuration would have git run.
    Trust(Lazy<maintain::trust::Args>),
    /// Sessions: who has one, and how fresh it is.
    Session(Lazy<work::session::Args>),
    /// Begin a session: say who works here, sync, and see what is going on.
    SessionBoot(Lazy<work::session_boot::Args>),
    /// Where jobs work: list, find, clean.
    Worktree(Lazy<unattended::worktree::Args>),
    /// Print the version, and with --json what this build can read and write.
    Version(Lazy<start::version::Args>),
}

/// Parses the process's arguments, runs the command, and tells the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let cli = match support::lazy::parse::<Cli>(arguments) {
        Ok(cli) => cli,
        Err(error) => return support::failure::usage(&error, support::lazy::whole::<Cli>, json),
    };
    support::app::start_log();
    match App::new(&cli.global).and_then(|app| run(cli.command, &app)) {
        Ok(code) => code,
        Err(error) => support::failure::report(&error, json),
    }
}

/// Runs one command. `Ok` carries the exit code: a check that found something is no failure.
fn run(command: Command, app: &App) -> Result<ExitCode> {
    match command {
        Command::Agent(Lazy(args)) => unattended::agent::run(args, app),
        Command::Bus(Lazy(args)) => work::bus::run(args, app),
        Command::Quickstart(Lazy(args)) => start::quickstart::run(args, app),
        Command::Guide(Lazy(args)) => start::guide::run(args, app, support::lazy::whole::<Cli>()),
        Command::Completions(Lazy(args)) => start::completions::completions(args, app, support::lazy::whole::<Cli>()),
        Command::Conductor(Lazy(args)) => unattended::conductor::run(args, app),
        Command::Coordinator(Lazy(args)) => unattended::coordinator::run(args, app),
        Command::Foreman(Lazy(args)) => unattended::foreman::run(args, app),
        Command::Consent(Lazy(args)) => unattended::consent::run(args, app),
        Command::Doctor(Lazy(args)) => maintain::doctor::run(args, app),
        Command::Init(Lazy(args)) => start::init::run(args, app),
        Command::Operator(Lazy(args)) => maintain::operator::run(args, app),
        Command::Man(Lazy(args)) => start::completions::man(args, app, support::lazy::whole::<Cli>()),
        Command::Plan(Lazy(command)) => work::plan::run(command, app),
        Command::Preflight(Lazy(args)) => maintain::preflight::run(args, app),
        Command::Receipts(Lazy(command)) => maintain::receipts::run(command, app),
        Command::Review(Lazy(args)) => review::run(args, app),
        Command::Scan(Lazy(args)) => maintain::scan::run(args, app),
        Command::Task(Lazy(args)) => work::task::run(args, app),
        Command::Trust(Lazy(args)) => maintain::trust::run(args, app),
        Command::Session(Lazy(args)) => work::session::run(args, app),
        Command::SessionBoot(Lazy(args)) => work::session_boot::run(args, app),
        Command::Worktree(Lazy(args)) => unattended::worktree::run(args, app),
        Command::Version(Lazy(args)) => start::version::run(args, app),
    }
}
