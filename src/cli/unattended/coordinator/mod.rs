//! `teof coordinator …`: runs, shows and controls the coordinator.

pub mod commands;
mod explain;
mod headlines;
pub mod last_output;
pub mod logs;
pub mod objective;
pub mod run;
pub mod send;
pub mod start;
pub mod status;
mod status_table;
pub mod submit;
pub mod submit_names;
pub mod summary;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::Lazy;
use crate::cli::unattended::metrics;

/// Run jobs unattended, watch them, and steer them
///
/// The coordinator chooses work, starts a worker per job in its own worktree, and puts results up for review.
/// There is one per repository. Commands reach a running one at once; otherwise its next start takes them.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof coordinator submit --objective \"Document the parser\" --test true\n\
\x20 teof coordinator run --until-idle --max-jobs 1\n\
\x20 teof coordinator status")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Run(Lazy<run::Args>),
    Submit(Lazy<submit::Args>),
    Status(Lazy<status::Args>),
    Explain(Lazy<explain::Args>),
    Pause(Lazy<commands::Pause>),
    Resume(Lazy<commands::Resume>),
    Cancel(Lazy<commands::Cancel>),
    Answer(Lazy<commands::Answer>),
    Reassign(Lazy<commands::Reassign>),
    Skip(Lazy<commands::Skip>),
    Stop(Lazy<commands::Stop>),
    ResetBreaker(Lazy<commands::ResetBreaker>),
    Logs(Lazy<logs::Args>),
    Metrics(Lazy<metrics::Args>),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Run(Lazy(args)) => run::run(args, app),
        Command::Submit(Lazy(args)) => submit::run(args, app),
        Command::Status(Lazy(args)) => status::run(args, app),
        Command::Explain(Lazy(args)) => explain::run(args, app),
        Command::Pause(Lazy(args)) => commands::pause(args, app),
        Command::Resume(Lazy(args)) => commands::resume(args, app),
        Command::Cancel(Lazy(args)) => commands::cancel(args, app),
        Command::Answer(Lazy(args)) => commands::answer(args, app),
        Command::Reassign(Lazy(args)) => commands::reassign(args, app),
        Command::Skip(Lazy(args)) => commands::skip(args, app),
        Command::Stop(Lazy(args)) => commands::stop(args, app),
        Command::ResetBreaker(Lazy(args)) => commands::reset_breaker(args, app),
        Command::Logs(Lazy(args)) => logs::run(args, app),
        Command::Metrics(Lazy(args)) => metrics::run(args, app),
    }
}
