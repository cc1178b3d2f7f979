//! `teof plan …`

pub(in crate::cli) mod approve;
mod attach;
mod checkpoint;
mod hygiene;
pub(in crate::cli) mod list;
mod new;
pub(in crate::cli) mod shared;
pub(in crate::cli) mod show;
mod status;
mod step;
pub(in crate::cli) mod validate;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::Lazy;

#[derive(Debug, Subcommand)]
pub enum Command {
    New(Lazy<new::Args>),
    List(Lazy<list::Args>),
    Show(Lazy<show::Args>),
    Status(Lazy<status::Args>),
    /// Add a step to a plan, or change one
    #[command(after_help = "Examples:\n\
\x20 teof plan step add 2026-01-05-docs --title \"Describe the flags\"")]
    #[command(subcommand)]
    Step(Lazy<step::Command>),
    Attach(Lazy<attach::Args>),
    Approve(Lazy<approve::Args>),
    Checkpoint(Lazy<checkpoint::Args>),
    Validate(Lazy<validate::Args>),
    Hygiene(Lazy<hygiene::Args>),
}

pub fn run(command: Command, app: &App) -> Result<ExitCode> {
    match command {
        Command::New(Lazy(args)) => new::run(args, app),
        Command::List(Lazy(args)) => list::run(args, app),
        Command::Show(Lazy(args)) => show::run(args, app),
        Command::Status(Lazy(args)) => status::run(args, app),
        Command::Step(Lazy(command)) => step::run(command, app),
        Command::Attach(Lazy(args)) => attach::run(args, app),
        Command::Approve(Lazy(args)) => approve::run(args, app),
        Command::Checkpoint(Lazy(args)) => checkpoint::run(args, app),
        Command::Validate(Lazy(args)) => validate::run(args, app),
        Command::Hygiene(Lazy(args)) => hygiene::run(&args, app),
    }
}
