//! `teof worktree …`: the worktrees of jobs, and what finished jobs left.

mod clean;
mod find;
mod list;
mod row;

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
    /// Show every worktree of the repository: whose it is, what for, and what it holds
    List(list::Args),
    /// Find the worktree in which a task is worked on
    Find(find::Args),
    /// Remove worktrees whose job is over; uncommitted work is parked, branches stay
    Clean(clean::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::List(args) => list::run(args, app),
        Command::Find(args) => find::run(args, app),
        Command::Clean(args) => clean::run(args, app),
    }
}
