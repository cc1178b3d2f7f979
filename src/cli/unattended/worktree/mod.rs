//! `teof worktree …`: the worktrees of jobs, and what finished jobs left.

mod clean;
pub(in crate::cli) mod find;
mod list;
pub(in crate::cli) mod open;
mod row;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;

/// List, find, make and remove the worktrees of tasks
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof worktree list\n\
\x20 cd \"$(teof worktree new QUEUE-004)\"\n\
\x20 teof worktree clean --dry-run")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Find(find::Args),
    New(open::New),
    Shell(open::Shell),
    Clean(clean::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args, app),
        Command::Find(args) => find::run(args, app),
        Command::New(args) => open::new(args, app),
        Command::Shell(args) => open::shell(args, app),
        Command::Clean(args) => clean::run(args, app),
    }
}
