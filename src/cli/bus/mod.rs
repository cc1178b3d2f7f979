//! `teof bus …`: claims, events and messages.

pub(super) mod claim;
pub(super) mod offer;
mod pause;
mod release;
pub(super) mod report;
mod takeover;

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
    /// Take a task over from a holder who is gone
    Takeover(takeover::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Claim(args) => claim::run(args, app),
        Command::Release(args) => release::run(args, app),
        Command::Pause(args) => pause::run(args, app),
        Command::Takeover(args) => takeover::run(args, app),
    }
}
