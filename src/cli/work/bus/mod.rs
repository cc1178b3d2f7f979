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

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::commands;

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

commands! {
    enum Command {
        "claim" => Claim(claims::claim::Args),
        "release" => Release(claims::release::Args),
        "pause" => Pause(claims::pause::Args),
        "commit" => Commit(commit::Args),
        "takeover" => Takeover(claims::takeover::Args),
        "event" => Event(event::Args),
        "message" => Message(message::Args),
        "ping" => Ping(ping::Args),
        "heartbeat" => Heartbeat(heartbeat::Args),
        "directive" => Directive(directive::Args),
        "inbox" => Inbox(inbox::Args),
        "status" => Status(status::Args),
        "watch" => Watch(watch::Args),
        "verify" => Verify(verify::Args),
        "restore" => Restore(restore::Args),
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Claim(args) => claims::claim::run(args, app),
        Command::Release(args) => claims::release::run(args, app),
        Command::Pause(args) => claims::pause::run(args, app),
        Command::Commit(args) => commit::run(args, app),
        Command::Takeover(args) => claims::takeover::run(args, app),
        Command::Event(args) => event::run(args, app),
        Command::Message(args) => message::run(args, app),
        Command::Ping(args) => ping::run(args, app),
        Command::Heartbeat(args) => heartbeat::run(args, app),
        Command::Directive(args) => directive::run(args, app),
        Command::Inbox(args) => inbox::run(args, app),
        Command::Status(args) => status::run(args, app),
        Command::Watch(args) => watch::run(args, app),
        Command::Verify(args) => verify::run(args, app),
        Command::Restore(args) => restore::run(args, app),
    }
}
