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
mod plan;
mod preflight;
mod quickstart;
mod receipts;
mod scan;
mod session;
mod session_boot;
mod task;
mod version;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

pub use app::App;

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
    /// Seats: list, use, save, restore.
    Agent(agent::Args),
    /// Claims, events and messages.
    Bus(bus::Args),
    /// See the main job on a small repository of its own: nothing needs to be configured.
    Quickstart(quickstart::Args),
    /// Print how to work with teof: the loop of an agent, or every command.
    Guide(guide::Args),
    /// Print a completion script for a shell.
    Completions(completions::CompletionsArgs),
    /// Choose the next item of the backlog and hand out its prompt; never executes anything.
    Conductor(conductor::Args),
    /// Choose work, give it to workers, settle it: run it, see it, tell it what to do.
    Coordinator(coordinator::Args),
    /// Run a work order, or one of the routines: status, scan, tasks, daily.
    Foreman(foreman::Args),
    /// What may run unattended: show, grant, revoke.
    Consent(consent::Args),
    /// Find what is wrong with a set-up, and say how to mend it.
    Doctor(doctor::Args),
    /// Set up a repository, without touching what is there.
    Init(init::Args),
    /// Print the manual page, or write one per command into a folder.
    Man(completions::ManArgs),
    /// Plans: make, list, change, check, approve.
    #[command(subcommand)]
    Plan(plan::Command),
    /// Check the record: this seat, or every file of the tree.
    Preflight(preflight::Args),
    /// Receipts: enter them into the ledger, check them.
    #[command(subcommand)]
    Receipts(receipts::Command),
    /// Look for what has gone wrong in the record.
    Scan(scan::Args),
    /// What there is to do, and who does it.
    Task(task::Args),
    /// Sessions: who has one, and how fresh it is.
    Session(session::Args),
    /// Begin a session: say who works here, sync, and see what is going on.
    SessionBoot(session_boot::Args),
    /// Print the version, and with --json what this build can read and write.
    Version(version::Args),
}

/// Parses the process's arguments, runs the command, and tells the exit code.
pub fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    let json = arguments.iter().any(|argument| argument == "--json");
    let cli = match Cli::try_parse_from(arguments) {
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
        Command::Agent(args) => agent::run(args, app),
        Command::Bus(args) => bus::run(args, app),
        Command::Quickstart(args) => quickstart::run(args, app),
        Command::Guide(args) => guide::run(args, app),
        Command::Completions(args) => completions::completions(args, app),
        Command::Conductor(args) => conductor::run(args, app),
        Command::Coordinator(args) => coordinator::run(args, app),
        Command::Foreman(args) => foreman::run(args, app),
        Command::Consent(args) => consent::run(args, app),
        Command::Doctor(args) => doctor::run(args, app),
        Command::Init(args) => init::run(args, app),
        Command::Man(args) => completions::man(args, app),
        Command::Plan(command) => plan::run(command, app),
        Command::Preflight(args) => preflight::run(args, app),
        Command::Receipts(command) => receipts::run(command, app),
        Command::Scan(args) => scan::run(args, app),
        Command::Task(args) => task::run(args, app),
        Command::Session(args) => session::run(args, app),
        Command::SessionBoot(args) => session_boot::run(args, app),
        Command::Version(args) => version::run(args, app),
    }
}
