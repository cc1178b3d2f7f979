//! The command line: one file per command, each with its arguments, what it runs and how it prints.
//!
//! The only room that prints. Decides nothing about the record: it calls the rooms below.

mod agent;
mod app;
mod author;
mod bus;
mod completions;
mod conductor;
mod consent;
mod coordinator;
mod doctor;
mod failure;
mod findings;
mod foreman;
mod guide;
mod init;
mod lazy;
mod operator;
mod plan;
mod preflight;
mod quickstart;
mod receipts;
mod review;
mod scan;
mod session;
mod session_boot;
mod task;
mod trust;
mod version;
mod worktree;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

pub use app::App;
use lazy::Lazy;

use crate::base::Result;

/// Coordinate coding agents in one git repository: claims, events, plans and receipts as files.
#[derive(Debug, Parser)]
#[command(name = "teof", version, about, max_term_width = 100, disable_help_subcommand = true)]
pub struct Cli {
    #[command(flatten)]
    pub global: app::Global,
    #[command(subcommand)]
    pub command: Command,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Seats: list, use, save, restore; and the agents' programs: doctor.
    Agent(Lazy<agent::Args>),
    /// Claims, events and messages.
    Bus(Lazy<bus::Args>),
    /// See the main job on a small repository of its own: nothing needs to be configured.
    Quickstart(Lazy<quickstart::Args>),
    /// Print how to work with teof: the loop of an agent, or every command.
    Guide(Lazy<guide::Args>),
    /// Print a completion script for a shell.
    Completions(Lazy<completions::CompletionsArgs>),
    /// Choose the next item of the backlog and hand out its prompt; never executes anything.
    Conductor(Lazy<conductor::Args>),
    /// Choose work, give it to workers, settle it: run it, see it, tell it what to do.
    Coordinator(Lazy<coordinator::Args>),
    /// Run a work order, or one of the routines: status, scan, tasks, daily.
    Foreman(Lazy<foreman::Args>),
    /// What may run unattended: show, grant, revoke.
    Consent(Lazy<consent::Args>),
    /// Find what is wrong with a set-up, and say how to mend it.
    Doctor(Lazy<doctor::Args>),
    /// Set up a repository, without touching what is there.
    Init(Lazy<init::Args>),
    /// Tokens by which a person is recognised without a terminal
    Operator(Lazy<operator::Args>),
    /// Print the manual page, or write one per command into a folder.
    Man(Lazy<completions::ManArgs>),
    /// Plans: make, list, change, check, approve.
    #[command(subcommand)]
    Plan(Lazy<plan::Command>),
    /// Check the record: this seat, or every file of the tree.
    Preflight(Lazy<preflight::Args>),
    /// Receipts: enter them into the ledger, check them.
    #[command(subcommand)]
    Receipts(Lazy<receipts::Command>),
    /// Finished work that waits for a person: look at it, merge it, send it back.
    Review(Lazy<review::Args>),
    /// Look for what has gone wrong in the record.
    Scan(Lazy<scan::Args>),
    /// What there is to do, and who does it.
    Task(Lazy<task::Args>),
    /// Trust what the repository's git configuration would have git run.
    Trust(Lazy<trust::Args>),
    /// Sessions: who has one, and how fresh it is.
    Session(Lazy<session::Args>),
    /// Begin a session: say who works here, sync, and see what is going on.
    SessionBoot(Lazy<session_boot::Args>),
    /// Where jobs work: list, find, clean.
    Worktree(Lazy<worktree::Args>),
    /// Print the version, and with --json what this build can read and write.
    Version(Lazy<version::Args>),
}

/// Parses the process's arguments, runs the command, and tells the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let cli = match lazy::parse::<Cli>(arguments) {
        Ok(cli) => cli,
        Err(error) => return failure::usage(&error, json),
    };
    app::start_log();
    match App::new(&cli.global).and_then(|app| run(cli.command, &app)) {
        Ok(code) => code,
        Err(error) => failure::report(&error, json),
    }
}

/// Runs one command. `Ok` carries the exit code: a check that found something is no failure.
fn run(command: Command, app: &App) -> Result<ExitCode> {
    match command {
        Command::Agent(Lazy(args)) => agent::run(args, app),
        Command::Bus(Lazy(args)) => bus::run(args, app),
        Command::Quickstart(Lazy(args)) => quickstart::run(args, app),
        Command::Guide(Lazy(args)) => guide::run(args, app, Cli::command()),
        Command::Completions(Lazy(args)) => completions::completions(args, app, Cli::command()),
        Command::Conductor(Lazy(args)) => conductor::run(args, app),
        Command::Coordinator(Lazy(args)) => coordinator::run(args, app),
        Command::Foreman(Lazy(args)) => foreman::run(args, app),
        Command::Consent(Lazy(args)) => consent::run(args, app),
        Command::Doctor(Lazy(args)) => doctor::run(args, app),
        Command::Init(Lazy(args)) => init::run(args, app),
        Command::Operator(Lazy(args)) => operator::run(args, app),
        Command::Man(Lazy(args)) => completions::man(args, app, Cli::command()),
        Command::Plan(Lazy(command)) => plan::run(command, app),
        Command::Preflight(Lazy(args)) => preflight::run(args, app),
        Command::Receipts(Lazy(command)) => receipts::run(command, app),
        Command::Review(Lazy(args)) => review::run(args, app),
        Command::Scan(Lazy(args)) => scan::run(args, app),
        Command::Task(Lazy(args)) => task::run(args, app),
        Command::Trust(Lazy(args)) => trust::run(args, app),
        Command::Session(Lazy(args)) => session::run(args, app),
        Command::SessionBoot(Lazy(args)) => session_boot::run(args, app),
        Command::Worktree(Lazy(args)) => worktree::run(args, app),
        Command::Version(Lazy(args)) => version::run(args, app),
    }
}
