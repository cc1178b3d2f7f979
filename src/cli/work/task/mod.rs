//! `teof task …`: what there is to do, and who does it.

mod add;
mod assign;
mod list;
mod pickup;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show every task with who has what
    List(list::Args),
    /// Add an item to the backlog
    Add(add::Args),
    /// Assign a task to a seat, and claim it for that seat
    Assign(assign::Args),
    /// Take a task that is assigned to you or to nobody
    Pickup(pickup::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args, app),
        Command::Add(args) => add::run(args, app),
        Command::Assign(args) => assign::run(args, app),
        Command::Pickup(args) => pickup::run(args, app),
    }
}
