//! `teof review …`: lists and shows finished work, and records a person's decision about it.

pub(super) mod approve;
mod bulk;
pub(super) mod decide;
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
use super::support::{ask, lazy::Lazy};
use crate::base::Result;
use crate::guard::operator;

/// Review finished jobs: look, merge, retry or reject
///
/// Without a subcommand, goes through the results that wait: shows each and asks what to do with it; without a
/// terminal it lists them. A job is named by its id, its run or its task, or by the beginning of one of them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof review list\n\
\x20 teof review show j1 --diff\n\
\x20 teof review approve j1")]
pub struct Args {
    #[command(subcommand)]
    command: Option<Command>,
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
    let Some(command) = args.command else { return walk(app) };
    if !matches!(command, Command::List(_) | Command::Show(_)) {
        operator::require("decide about work")?;
    }
    match command {
        Command::List(Lazy(args)) => list::run(args, app),
        Command::Show(Lazy(args)) => show::run(args, app),
        Command::Approve(Lazy(args)) => approve::run(args, app),
        Command::Reject(Lazy(args)) => reject::run(args, app),
        Command::Retry(Lazy(args)) => retry::run(args, app),
        Command::Revert(Lazy(args)) => revert::run(args, app),
    }
}

/// Goes through what waits, oldest first. Without a person at a terminal, lists it.
fn walk(app: &App) -> Result<ExitCode> {
    if !ask::is_possible(app) || operator::require("decide about work").is_err() {
        return list::run(list::Args::default(), app);
    }
    let hub = app.hub()?;
    let waiting = list::pending(hub)?;
    if waiting.is_empty() {
        app.say("Nothing waits for review.");
    }
    let many = waiting.len();
    for (at, entry) in waiting.into_iter().enumerate() {
        app.say(format!("\n{} of {many}", at + 1));
        if decide::ask(app, hub, &entry.bundle.job)? == decide::Decided::Quit {
            break;
        }
    }
    Ok(ExitCode::SUCCESS)
}
