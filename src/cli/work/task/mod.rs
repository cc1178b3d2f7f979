//! `teof task …`: what there is to do, and who does it.

mod add;
mod assign;
pub(in crate::cli) mod list;
mod pickup;
mod seed;
mod sync;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;

/// List, add, assign and take tasks
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof task list\n\
\x20 teof task add QUEUE-009 --title \"Document the parser\"\n\
\x20 teof task pickup                                        # take the best free task")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Add(add::Args),
    Assign(assign::Args),
    Pickup(pickup::Args),
    Seed(seed::Args),
    Sync(sync::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args, app),
        Command::Add(args) => add::run(args, app),
        Command::Assign(args) => assign::run(args, app),
        Command::Pickup(args) => pickup::run(args, app),
        Command::Seed(args) => seed::run(args, app),
        Command::Sync(args) => sync::run(&args, app),
    }
}
