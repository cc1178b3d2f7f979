//! `teof coordinator …`: run it, see it, and tell it what to do.

mod explain;
mod logs;
mod run;
mod send;
mod status;
mod submit;
mod words;

use std::process::ExitCode;

use clap::Subcommand;

use super::App;
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
    Run(run::Args),
    /// Put a task before everything that was not submitted
    Submit(submit::Args),
    /// Show what runs, what waits, and whether the breaker is open
    Status(status::Args),
    /// Show what was decided, and why other tasks were passed over
    Explain(explain::Args),
    /// Start nothing new; what runs goes on
    Pause(words::Pause),
    /// End a pause, or let a skipped or cancelled task be chosen again
    Resume(words::Resume),
    /// End a job, and do not choose its task again
    Cancel(words::Cancel),
    /// Give a task to another seat
    Reassign(words::Reassign),
    /// Do not choose a task
    Skip(words::Skip),
    /// End the coordinator when its workers have finished their stage
    Stop(words::Stop),
    /// Close the circuit breaker, as a person
    ResetBreaker(words::ResetBreaker),
    /// Print what a job's worker said
    Logs(logs::Args),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Run(args) => run::run(args, app),
        Command::Submit(args) => submit::run(args, app),
        Command::Status(args) => status::run(args, app),
        Command::Explain(args) => explain::run(args, app),
        Command::Pause(args) => words::pause(args, app),
        Command::Resume(args) => words::resume(args, app),
        Command::Cancel(args) => words::cancel(args, app),
        Command::Reassign(args) => words::reassign(args, app),
        Command::Skip(args) => words::skip(args, app),
        Command::Stop(args) => words::stop(args, app),
        Command::ResetBreaker(args) => words::reset_breaker(args, app),
        Command::Logs(args) => logs::run(args, app),
    }
}
