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

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::commands;
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

commands! {
    enum Command {
        "run" => Run(run::Args),
        "submit" => Submit(submit::Args),
        "status" => Status(status::Args),
        "explain" => Explain(explain::Args),
        "pause" => Pause(commands::Pause),
        "resume" => Resume(commands::Resume),
        "cancel" => Cancel(commands::Cancel),
        "answer" => Answer(commands::Answer),
        "reassign" => Reassign(commands::Reassign),
        "skip" => Skip(commands::Skip),
        "stop" => Stop(commands::Stop),
        "reset-breaker" => ResetBreaker(commands::ResetBreaker),
        "logs" => Logs(logs::Args),
        "metrics" => Metrics(metrics::Args),
    }
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Run(args) => run::run(args, app),
        Command::Submit(args) => submit::run(args, app),
        Command::Status(args) => status::run(args, app),
        Command::Explain(args) => explain::run(args, app),
        Command::Pause(args) => commands::pause(args, app),
        Command::Resume(args) => commands::resume(args, app),
        Command::Cancel(args) => commands::cancel(args, app),
        Command::Answer(args) => commands::answer(args, app),
        Command::Reassign(args) => commands::reassign(args, app),
        Command::Skip(args) => commands::skip(args, app),
        Command::Stop(args) => commands::stop(args, app),
        Command::ResetBreaker(args) => commands::reset_breaker(args, app),
        Command::Logs(args) => logs::run(args, app),
        Command::Metrics(args) => metrics::run(args, app),
    }
}
