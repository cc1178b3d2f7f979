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

use clap::Parser;

pub use support::app::App;
use support::lazy::commands;

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

commands! {
    pub enum Command {
        "agent" => Agent(work::agent::Args),
        "bus" => Bus(work::bus::Args),
        "quickstart" => Quickstart(start::quickstart::Args),
        "guide" => Guide(start::guide::Args),
        "completions" => Completions(start::completions::CompletionsArgs),
        "conductor" => Conductor(unattended::conductor::Args),
        "coordinator" => Coordinator(unattended::coordinator::Args),
        "foreman" => Foreman(unattended::foreman::Args),
        "consent" => Consent(unattended::consent::Args),
        "do" => Do(do_work::Args),
        "status" => Status(unattended::coordinator::status::Args),
        "run" => Run(unattended::coordinator::run::Args),
        "logs" => Logs(unattended::coordinator::logs::Args),
        "approve" => Approve(review::approve::Args),
        "doctor" => Doctor(maintain::doctor::Args),
        "init" => Init(start::init::Args),
        "operator" => Operator(maintain::operator::Args),
        "man" => Man(start::completions::ManArgs),
        "manager-report" => ManagerReport(work::manager_report::Args),
        "mcp" => Mcp(work::mcp::Args),
        "plan" => Plan(work::plan::Args),
        "check" => Check(maintain::check::Args),
        "report" => Report(unattended::report::Args),
        "dashboard" => Dashboard(inspect::dashboard::Args),
        "preflight" => Preflight(maintain::preflight::Args),
        "receipts" => Receipts(maintain::receipts::Args),
        "review" => Review(review::Args),
        "scan" => Scan(maintain::scan::Args),
        "schema" => Schema(schema::Args),
        "seat" => Seat(work::seat::Args),
        "task" => Task(work::task::Args),
        "top" => Top(screens::top::Args),
        "trust" => Trust(maintain::trust::Args),
        "service" => Service(unattended::service::Args),
        "notify" => Notify(unattended::notify::Args),
        "session" => Session(session::Args),
        "import" => Import(work::import::Args),
        "export" => Export(work::export::Args),
        "hook" => Hook(work::hook::Args),
        "links" => Links(work::links::Args),
        "consensus" => Consensus(work::consensus::Args),
        "session-boot" => SessionBoot(work::session_boot::Args),
        "verify" => Verify(review::verify::Args),
        "web" => Web(screens::web::Args),
        "worktree" => Worktree(unattended::worktree::Args),
        "version" => Version(start::version::Args),
    }
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
        Command::Agent(args) => work::agent::run(args, app, support::lazy::whole::<Cli>),
        Command::Bus(args) => work::bus::run(args, app),
        Command::Quickstart(args) => start::quickstart::run(args, app),
        Command::Guide(args) => start::guide::run(args, app, support::lazy::whole::<Cli>()),
        Command::Completions(args) => start::completions::completions(args, app, support::lazy::whole::<Cli>()),
        Command::Conductor(args) => unattended::conductor::run(args, app),
        Command::Coordinator(args) => unattended::coordinator::run(args, app),
        Command::Foreman(args) => unattended::foreman::run(args, app),
        Command::Consent(args) => unattended::consent::run(args, app),
        Command::Do(args) => do_work::run(args, app),
        Command::Status(args) => unattended::coordinator::status::run(args, app),
        Command::Run(args) => unattended::coordinator::run::run(args, app),
        Command::Logs(args) => unattended::coordinator::logs::run(args, app),
        Command::Approve(args) => review::approve::run(args, app),
        Command::Doctor(args) => maintain::doctor::run(args, app),
        Command::Init(args) => start::init::run(args, app, support::lazy::whole::<Cli>),
        Command::Operator(args) => maintain::operator::run(args, app),
        Command::ManagerReport(args) => work::manager_report::run(args, app),
        Command::Mcp(args) => work::mcp::run(args, app),
        Command::Man(args) => start::completions::man(args, app, support::lazy::whole::<Cli>()),
        Command::Plan(args) => work::plan::run(args, app),
        Command::Check(args) => maintain::check::run(args, app),
        Command::Report(args) => unattended::report::run(args, app),
        Command::Dashboard(args) => inspect::dashboard::run(args, app),
        Command::Preflight(args) => maintain::preflight::run(args, app),
        Command::Receipts(args) => maintain::receipts::run(args, app),
        Command::Review(args) => review::run(args, app),
        Command::Seat(args) => work::seat::run(args, app),
        Command::Scan(args) => maintain::scan::run(args, app),
        Command::Schema(args) => schema::run(args, app),
        Command::Task(args) => work::task::run(args, app),
        Command::Top(args) => screens::top::run(args, app),
        Command::Trust(args) => maintain::trust::run(args, app),
        Command::Service(args) => unattended::service::run(args, app),
        Command::Notify(args) => unattended::notify::run(args, app),
        Command::Session(args) => session::run(args, app),
        Command::Import(args) => work::import::run(args, app),
        Command::Export(args) => work::export::run(&args, app),
        Command::Hook(args) => work::hook::run(&args, app),
        Command::Links(args) => work::links::run(args, app),
        Command::Consensus(args) => work::consensus::run(args, app),
        Command::SessionBoot(args) => work::session_boot::run(args, app),
        Command::Verify(args) => review::verify::run(args, app),
        Command::Web(args) => screens::web::run(args, app),
        Command::Worktree(args) => unattended::worktree::run(args, app),
        Command::Version(args) => start::version::run(args, app),
    }
}
