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
use super::lazy::Lazy;
use crate::base::Result;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Claim a task: the exclusive right to work on it
    Claim(Lazy<claim::Args>),
    /// Release a claim that you hold
    Release(Lazy<release::Args>),
    /// Pause your claim, or that of a holder who is gone
    Pause(Lazy<pause::Args>),
    /// Commit the record: _bus, _plans and _report, nothing else
    Commit(Lazy<commit::Args>),
    /// Take a task over from a holder who is gone
    Takeover(Lazy<takeover::Args>),
    Event(Lazy<event::Args>),
    Message(Lazy<message::Args>),
    Ping(Lazy<ping::Args>),
    Directive(Lazy<directive::Args>),
    Inbox(Lazy<inbox::Args>),
    Status(Lazy<status::Args>),
    Watch(Lazy<watch::Args>),
    Verify(Lazy<verify::Args>),
    Restore(Lazy<restore::Args>),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Claim(Lazy(args)) => claim::run(args, app),
        Command::Release(Lazy(args)) => release::run(args, app),
        Command::Pause(Lazy(args)) => pause::run(args, app),
        Command::Commit(Lazy(args)) => commit::run(args, app),
        Command::Takeover(Lazy(args)) => takeover::run(args, app),
        Command::Event(Lazy(args)) => event::run(args, app),
        Command::Message(Lazy(args)) => message::run(args, app),
        Command::Ping(Lazy(args)) => ping::run(args, app),
        Command::Directive(Lazy(args)) => directive::run(args, app),
        Command::Inbox(Lazy(args)) => inbox::run(args, app),
        Command::Status(Lazy(args)) => status::run(args, app),
        Command::Watch(Lazy(args)) => watch::run(args, app),
        Command::Verify(Lazy(args)) => verify::run(args, app),
        Command::Restore(Lazy(args)) => restore::run(args, app),
    }
}
