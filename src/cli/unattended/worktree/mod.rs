//! `teof worktree …`: the worktrees of jobs, and what finished jobs left.

mod clean;
mod find;
mod list;
mod row;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;

/// List, find and remove the worktrees of jobs
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof worktree list\n\
\x20 teof worktree clean --dry-run")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(list::Args),
    Find(find::Args),
    Clean(clean::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args, app),
        Command::Find(args) => find::run(args, app),
        Command::Clean(args) => clean::run(args, app),
    }
}
