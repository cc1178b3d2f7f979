//! `teof coordinator …`: run it, see it, and tell it what to do.

mod explain;
pub mod last;
mod left;
mod logs;
mod run;
pub mod send;
mod status;
mod submit;
mod submit_names;
mod words;

use std::process::ExitCode;

use clap::Subcommand;

use super::App;
use super::lazy::Lazy;
use crate::base::Result;

/// One coordinator per hub chooses work, gives it to workers in worktrees of their own, and settles
/// it. Commands reach a running one at once; without one, the next start takes them.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Choose work and have it done, until told to stop
    Run(Lazy<run::Args>),
    /// Put a task before everything that was not submitted
    Submit(Lazy<submit::Args>),
    /// Show what runs, what waits, and whether the breaker is open
    Status(Lazy<status::Args>),
    /// Show what was decided, and why other tasks were passed over
    Explain(Lazy<explain::Args>),
    /// Start nothing new; what runs goes on
    Pause(Lazy<words::Pause>),
    /// End a pause and the suspensions of agents that ran into a limit, or let a skipped or cancelled task be chosen again
    Resume(Lazy<words::Resume>),
    /// End a job, and do not choose its task again
    Cancel(Lazy<words::Cancel>),
    /// Answer what a job's agent asked; it goes on in the same session
    Answer(Lazy<words::Answer>),
    /// Give a task to another seat
    Reassign(Lazy<words::Reassign>),
    /// Do not choose a task
    Skip(Lazy<words::Skip>),
    /// End the coordinator when its workers have finished their stage
    Stop(Lazy<words::Stop>),
    /// Close the circuit breaker, as a person
    ResetBreaker(Lazy<words::ResetBreaker>),
    /// Print what a job's worker said
    Logs(Lazy<logs::Args>),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Run(Lazy(args)) => run::run(args, app),
        Command::Submit(Lazy(args)) => submit::run(args, app),
        Command::Status(Lazy(args)) => status::run(args, app),
        Command::Explain(Lazy(args)) => explain::run(args, app),
        Command::Pause(Lazy(args)) => words::pause(args, app),
        Command::Resume(Lazy(args)) => words::resume(args, app),
        Command::Cancel(Lazy(args)) => words::cancel(args, app),
        Command::Answer(Lazy(args)) => words::answer(args, app),
        Command::Reassign(Lazy(args)) => words::reassign(args, app),
        Command::Skip(Lazy(args)) => words::skip(args, app),
        Command::Stop(Lazy(args)) => words::stop(args, app),
        Command::ResetBreaker(Lazy(args)) => words::reset_breaker(args, app),
        Command::Logs(Lazy(args)) => logs::run(args, app),
    }
}
