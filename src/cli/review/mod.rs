//! `teof review …`: lists and shows finished work, and records a person's decision about it.

mod approve;
mod list;
mod notify;
mod reject;
mod retry;
mod revert;
mod shared;
mod show;

use std::process::ExitCode;

use clap::Subcommand;

use super::App;
use super::support::lazy::Lazy;
use crate::base::Result;
use crate::guard::operator;

/// Finished work waits here for a person. A job is named by its id, its run or its task, or by the
/// beginning of one of them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Show what waits for a person
    List(Lazy<list::Args>),
    /// Show one job: what was asked, what was done, tested and found
    Show(Lazy<show::Args>),
    /// Merge the commit that was reviewed, as a person
    Approve(Lazy<approve::Args>),
    /// Say no: the step is blocked, the branch is kept
    Reject(Lazy<reject::Args>),
    /// Send it back to the coder, with a note of what to do
    Retry(Lazy<retry::Args>),
    /// Take back what was merged, and open its step again
    Revert(Lazy<revert::Args>),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    if !matches!(args.command, Command::List(_) | Command::Show(_)) {
        operator::require("decide about work")?;
    }
    match args.command {
        Command::List(Lazy(args)) => list::run(args, app),
        Command::Show(Lazy(args)) => show::run(args, app),
        Command::Approve(Lazy(args)) => approve::run(args, app),
        Command::Reject(Lazy(args)) => reject::run(args, app),
        Command::Retry(Lazy(args)) => retry::run(args, app),
        Command::Revert(Lazy(args)) => revert::run(args, app),
    }
}
