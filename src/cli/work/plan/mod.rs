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

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::commands;

/// Create, list, check and approve plans
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof plan list\n\
\x20 teof plan show 2026-01-05-docs\n\
\x20 teof plan validate")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

commands! {
    enum Command {
        "new" => New(new::Args),
        "list" => List(list::Args),
        "show" => Show(show::Args),
        "status" => Status(status::Args),
        "step" => Step(step::Args),
        "attach" => Attach(attach::Args),
        "approve" => Approve(approve::Args),
        "checkpoint" => Checkpoint(checkpoint::Args),
        "validate" => Validate(validate::Args),
        "hygiene" => Hygiene(hygiene::Args),
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::New(args) => new::run(args, app),
        Command::List(args) => list::run(args, app),
        Command::Show(args) => show::run(args, app),
        Command::Status(args) => status::run(args, app),
        Command::Step(args) => step::run(args, app),
        Command::Attach(args) => attach::run(args, app),
        Command::Approve(args) => approve::run(args, app),
        Command::Checkpoint(args) => checkpoint::run(args, app),
        Command::Validate(args) => validate::run(args, app),
        Command::Hygiene(args) => hygiene::run(&args, app),
    }
}
