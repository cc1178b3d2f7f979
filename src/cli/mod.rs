//! The command line: one file per command, each with its arguments, what it runs and how it prints.
//!
//! The only module that prints. Decides nothing about the record: it calls the modules below.

mod do_work;
mod forward;
mod inspect;
mod maintain;
mod review;
mod schema;
mod screens;
mod session;
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

/// Coordinate coding agents through files in your git repository
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
    Agent(Lazy<work::agent::Args>),
    Bus(Lazy<work::bus::Args>),
    Quickstart(Lazy<start::quickstart::Args>),
    Guide(Lazy<start::guide::Args>),
    Completions(Lazy<start::completions::CompletionsArgs>),
    Conductor(Lazy<unattended::conductor::Args>),
    Coordinator(Lazy<unattended::coordinator::Args>),
    Foreman(Lazy<unattended::foreman::Args>),
    Consent(Lazy<unattended::consent::Args>),
    Do(Lazy<do_work::Args>),
    Status(Lazy<unattended::coordinator::status::Args>),
    Run(Lazy<unattended::coordinator::run::Args>),
    Logs(Lazy<unattended::coordinator::logs::Args>),
    Approve(Lazy<review::approve::Args>),
    Doctor(Lazy<maintain::doctor::Args>),
    Init(Lazy<start::init::Args>),
    Operator(Lazy<maintain::operator::Args>),
    Man(Lazy<start::completions::ManArgs>),
    ManagerReport(Lazy<work::manager_report::Args>),
    Mcp(Lazy<work::mcp::Args>),
    /// Create, list, check and approve plans
    #[command(after_help = "Examples:\n\
\x20 teof plan list\n\
\x20 teof plan show 2026-01-05-docs\n\
\x20 teof plan validate")]
    #[command(subcommand)]
    Plan(Lazy<work::plan::Command>),
    Check(Lazy<maintain::check::Args>),
    Report(Lazy<unattended::report::Args>),
    Dashboard(Lazy<inspect::dashboard::Args>),
    Preflight(Lazy<maintain::preflight::Args>),
    /// Enter receipts into the ledger, and check them
    ///
    /// A receipt is evidence: a file under _report/ whose hash the ledger _report/receipts.jsonl keeps.
    #[command(after_help = "Examples:\n\
\x20 teof receipts add _report/agent/codex-1/proof.txt\n\
\x20 teof receipts verify")]
    #[command(subcommand)]
    Receipts(Lazy<maintain::receipts::Command>),
    Review(Lazy<review::Args>),
    Scan(Lazy<maintain::scan::Args>),
    Schema(Lazy<schema::Args>),
    Seat(Lazy<work::seat::Args>),
    Task(Lazy<work::task::Args>),
    Top(Lazy<screens::top::Args>),
    Trust(Lazy<maintain::trust::Args>),
    Service(Lazy<unattended::service::Args>),
    Notify(Lazy<unattended::notify::Args>),
    Session(Lazy<session::Args>),
    Import(Lazy<work::import::Args>),
    Export(Lazy<work::export::Args>),
    Hook(Lazy<work::hook::Args>),
    Links(Lazy<work::links::Args>),
    Consensus(Lazy<work::consensus::Args>),
    SessionBoot(Lazy<work::session_boot::Args>),
    Verify(Lazy<review::verify::Args>),
    Web(Lazy<screens::web::Args>),
    Worktree(Lazy<unattended::worktree::Args>),
    Version(Lazy<start::version::Args>),
}

/// Parses the process's arguments, runs the command, and tells the exit code.
pub fn main() -> ExitCode {
    let mut arguments: Vec<OsString> = std::env::args_os().collect();
    // `teof help do` is `teof do --help`.
    if arguments.get(1).is_some_and(|word| word == "help") {
        arguments.remove(1);
        arguments.push("--help".into());
    }
    if arguments.get(1).is_some_and(|word| word == start::complete::NAME) {
        return start::complete::main(support::lazy::whole::<Cli>(), &arguments[2..]);
    }
    let json = arguments.iter().any(|argument| argument == "--json");
    let is_hook = arguments.get(1).is_some_and(|word| word == "hook");
    // Only a program of a run has one.
    let worker = forward::socket().map(|socket| (socket, arguments.clone()));
    let cli = match support::lazy::parse::<Cli>(arguments) {
        Ok(cli) => cli,
        Err(error) => {
            let code = support::failure::usage(&error, support::lazy::whole::<Cli>, json);
            // For agent programs, 2 is a refusal: a hook of another version must not stop every tool.
            return if is_hook && error.use_stderr() { ExitCode::FAILURE } else { code };
        }
    };
    unattended::progress::log::start_warnings();
    let done = App::new(&cli.global).and_then(|app| {
        let forwarded = worker.map(|(socket, line)| forward::to_worker(&socket, &line, &app)).transpose()?;
        forwarded.flatten().map_or_else(|| run(cli.command, &app), Ok)
    });
    match done {
        Ok(code) => code,
        Err(error) => support::failure::report(&error, json),
    }
}

/// Runs one command. `Ok` carries the exit code: a check that found something did not fail.
fn run(command: Command, app: &App) -> Result<ExitCode> {
    match command {
        Command::Agent(Lazy(args)) => work::agent::run(args, app, support::lazy::whole::<Cli>),
        Command::Bus(Lazy(args)) => work::bus::run(args, app),
        Command::Quickstart(Lazy(args)) => start::quickstart::run(args, app),
        Command::Guide(Lazy(args)) => start::guide::run(args, app, support::lazy::whole::<Cli>()),
        Command::Completions(Lazy(args)) => start::completions::completions(args, app, support::lazy::whole::<Cli>()),
        Command::Conductor(Lazy(args)) => unattended::conductor::run(args, app),
        Command::Coordinator(Lazy(args)) => unattended::coordinator::run(args, app),
        Command::Foreman(Lazy(args)) => unattended::foreman::run(args, app),
        Command::Consent(Lazy(args)) => unattended::consent::run(args, app),
        Command::Do(Lazy(args)) => do_work::run(args, app),
        Command::Status(Lazy(args)) => unattended::coordinator::status::run(args, app),
        Command::Run(Lazy(args)) => unattended::coordinator::run::run(args, app),
        Command::Logs(Lazy(args)) => unattended::coordinator::logs::run(args, app),
        Command::Approve(Lazy(args)) => review::approve::run(args, app),
        Command::Doctor(Lazy(args)) => maintain::doctor::run(args, app),
        Command::Init(Lazy(args)) => start::init::run(args, app, support::lazy::whole::<Cli>),
        Command::Operator(Lazy(args)) => maintain::operator::run(args, app),
        Command::ManagerReport(Lazy(args)) => work::manager_report::run(args, app),
        Command::Mcp(Lazy(args)) => work::mcp::run(args, app),
        Command::Man(Lazy(args)) => start::completions::man(args, app, support::lazy::whole::<Cli>()),
        Command::Plan(Lazy(command)) => work::plan::run(command, app),
        Command::Check(Lazy(args)) => maintain::check::run(args, app),
        Command::Report(Lazy(args)) => unattended::report::run(args, app),
        Command::Dashboard(Lazy(args)) => inspect::dashboard::run(args, app),
        Command::Preflight(Lazy(args)) => maintain::preflight::run(args, app),
        Command::Receipts(Lazy(command)) => maintain::receipts::run(command, app),
        Command::Review(Lazy(args)) => review::run(args, app),
        Command::Seat(Lazy(args)) => work::seat::run(args, app),
        Command::Scan(Lazy(args)) => maintain::scan::run(args, app),
        Command::Schema(Lazy(args)) => schema::run(args, app),
        Command::Task(Lazy(args)) => work::task::run(args, app),
        Command::Top(Lazy(args)) => screens::top::run(args, app),
        Command::Trust(Lazy(args)) => maintain::trust::run(args, app),
        Command::Service(Lazy(args)) => unattended::service::run(args, app),
        Command::Notify(Lazy(args)) => unattended::notify::run(args, app),
        Command::Session(Lazy(args)) => session::run(args, app),
        Command::Import(Lazy(args)) => work::import::run(args, app),
        Command::Export(Lazy(args)) => work::export::run(&args, app),
        Command::Hook(Lazy(args)) => work::hook::run(&args, app),
        Command::Links(Lazy(args)) => work::links::run(args, app),
        Command::Consensus(Lazy(args)) => work::consensus::run(args, app),
        Command::SessionBoot(Lazy(args)) => work::session_boot::run(args, app),
        Command::Verify(Lazy(args)) => review::verify::run(args, app),
        Command::Web(Lazy(args)) => screens::web::run(args, app),
        Command::Worktree(Lazy(args)) => unattended::worktree::run(args, app),
        Command::Version(Lazy(args)) => start::version::run(args, app),
    }
}
