//! `teof bus …`: claims, events and messages.

pub(crate) mod claims;
mod commit;
mod directive;
mod event;
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

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Claim a task: the exclusive right to work on it
    Claim(Lazy<claims::claim::Args>),
    /// Release a claim that you hold
    Release(Lazy<claims::release::Args>),
    /// Pause your claim, or that of a holder who is gone
    Pause(Lazy<claims::pause::Args>),
    /// Commit the record: _bus, _plans and _report, nothing else
    Commit(Lazy<commit::Args>),
    /// Take a task over from a holder who is gone
    Takeover(Lazy<claims::takeover::Args>),
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
        Command::Claim(Lazy(args)) => claims::claim::run(args, app),
        Command::Release(Lazy(args)) => claims::release::run(args, app),
        Command::Pause(Lazy(args)) => claims::pause::run(args, app),
        Command::Commit(Lazy(args)) => commit::run(args, app),
        Command::Takeover(Lazy(args)) => claims::takeover::run(args, app),
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
