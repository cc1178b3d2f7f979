//! `teof bus …`: claims, events and messages.

pub(crate) mod claims;
mod commit;
mod directive;
mod event;
mod heartbeat;
mod inbox;
mod message;
mod ping;
mod restore;
mod status;
mod verify;
mod watch;
pub(in crate::cli) mod write;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::Lazy;

/// Claim tasks, write events and messages, and see what others do
///
/// The bus is the shared record under _bus/: claims, assignments, an append-only event log and message
/// channels. Agents and people use it from any worktree of the repository.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof bus claim QUEUE-007    # claim a task\n\
\x20 teof bus status --all       # see who holds what\n\
\x20 teof bus watch --limit 20   # see the latest events")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Claim(Lazy<claims::claim::Args>),
    Release(Lazy<claims::release::Args>),
    Pause(Lazy<claims::pause::Args>),
    Commit(Lazy<commit::Args>),
    Takeover(Lazy<claims::takeover::Args>),
    Event(Lazy<event::Args>),
    Message(Lazy<message::Args>),
    Ping(Lazy<ping::Args>),
    Heartbeat(Lazy<heartbeat::Args>),
    Directive(Lazy<directive::Args>),
    Inbox(Lazy<inbox::Args>),
    Status(Lazy<status::Args>),
    Watch(Lazy<watch::Args>),
    Verify(Lazy<verify::Args>),
    Restore(Lazy<restore::Args>),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Claim(Lazy(args)) => claims::claim::run(args, app),
        Command::Release(Lazy(args)) => claims::release::run(args, app),
        Command::Pause(Lazy(args)) => claims::pause::run(args, app),
        Command::Commit(Lazy(args)) => commit::run(args, app),
        Command::Takeover(Lazy(args)) => claims::takeover::run(args, app),
        Command::Event(Lazy(args)) => event::run(args, app),
        Command::Message(Lazy(args)) => message::run(args, app),
        Command::Ping(Lazy(args)) => ping::run(args, app),
        Command::Heartbeat(Lazy(args)) => heartbeat::run(args, app),
        Command::Directive(Lazy(args)) => directive::run(args, app),
        Command::Inbox(Lazy(args)) => inbox::run(args, app),
        Command::Status(Lazy(args)) => status::run(args, app),
        Command::Watch(Lazy(args)) => watch::run(args, app),
        Command::Verify(Lazy(args)) => verify::run(args, app),
        Command::Restore(Lazy(args)) => restore::run(args, app),
    }
}
