//! `teof coordinator …`: runs, shows and controls the coordinator.

mod commands;
mod explain;
pub mod last_output;
mod logs;
mod run;
pub mod send;
mod status;
mod submit;
mod submit_names;
mod summary;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;
use crate::cli::support::lazy::Lazy;

/// One coordinator per hub chooses work, gives it to workers in worktrees of their own, and settles
/// it. Commands reach a running one at once; without one, the next start takes them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the coordinator: start jobs until stopped
    Run(Lazy<run::Args>),
    /// Queue a task ahead of the backlog
    Submit(Lazy<submit::Args>),
    /// Show what runs, what waits, and whether the breaker is open
    Status(Lazy<status::Args>),
    /// Show what was decided, and why other tasks were passed over
    Explain(Lazy<explain::Args>),
    /// Start nothing new; what runs goes on
    Pause(Lazy<commands::Pause>),
    /// End a pause and the suspensions of agents that ran into a limit, or let a skipped or cancelled task be chosen again
    Resume(Lazy<commands::Resume>),
    /// End a job, and do not choose its task again
    Cancel(Lazy<commands::Cancel>),
    /// Answer what a job's agent asked; it goes on in the same session
    Answer(Lazy<commands::Answer>),
    /// Give a task to another seat
    Reassign(Lazy<commands::Reassign>),
    /// Do not choose a task
    Skip(Lazy<commands::Skip>),
    /// End the coordinator when its workers have finished their stage
    Stop(Lazy<commands::Stop>),
    /// Close the circuit breaker, as a person
    ResetBreaker(Lazy<commands::ResetBreaker>),
    /// Print what a job's worker said
    Logs(Lazy<logs::Args>),
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
    }
}
