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

/// Review finished jobs: look, merge, retry or reject
///
/// A job is named by its id, its run or its task, or by the beginning of one of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review list\n\
\x20 teof review show j1 --diff\n\
\x20 teof review approve j1")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    List(Lazy<list::Args>),
    Show(Lazy<show::Args>),
    Approve(Lazy<approve::Args>),
    Reject(Lazy<reject::Args>),
    Retry(Lazy<retry::Args>),
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
