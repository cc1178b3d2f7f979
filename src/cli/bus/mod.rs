//! `teof bus …`: claims, events and messages.

pub(super) mod claim;
mod commit;
mod directive;
mod event;
mod inbox;
mod message;
pub(super) mod offer;
mod pause;
mod ping;
mod release;
pub(super) mod report;
mod restore;
mod status;
mod takeover;
mod verify;
mod watch;
pub(super) mod write;

use std::process::ExitCode;

use clap::Subcommand;

use super::App;
use crate::base::Result;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Claim a task: the exclusive right to work on it
    Claim(claim::Args),
    /// Release a claim that you hold
    Release(release::Args),
    /// Pause your claim, or that of a holder who is gone
    Pause(pause::Args),
    /// Commit the record: _bus, _plans and _report, nothing else
    Commit(commit::Args),
    /// Take a task over from a holder who is gone
    Takeover(takeover::Args),
    Event(event::Args),
    Message(message::Args),
    Ping(ping::Args),
    Directive(directive::Args),
    Inbox(inbox::Args),
    Status(status::Args),
    Watch(watch::Args),
    Verify(verify::Args),
    Restore(restore::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Claim(args) => claim::run(args, app),
        Command::Release(args) => release::run(args, app),
        Command::Pause(args) => pause::run(args, app),
        Command::Commit(args) => commit::run(args, app),
        Command::Takeover(args) => takeover::run(args, app),
        Command::Event(args) => event::run(args, app),
        Command::Message(args) => message::run(args, app),
        Command::Ping(args) => ping::run(args, app),
        Command::Directive(args) => directive::run(args, app),
        Command::Inbox(args) => inbox::run(args, app),
        Command::Status(args) => status::run(args, app),
        Command::Watch(args) => watch::run(args, app),
        Command::Verify(args) => verify::run(args, app),
        Command::Restore(args) => restore::run(args, app),
    }
}
