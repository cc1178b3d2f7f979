//! `teof consensus …`

mod cadence;
mod dashboard;
mod ledger;
mod record;

use std::process::ExitCode;

use clap::Subcommand;

use crate::base::Result;
use crate::cli::App;

/// List, record, review and escalate decisions that seats make together
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof consensus dashboard\n\
\x20 teof consensus record QUEUE-030 --summary \"Ship the ledger\"\n\
\x20 teof consensus sweep")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Ledger(ledger::Args),
    Record(record::Args),
    Dashboard(dashboard::Args),
    Sweep(cadence::Sweep),
    Weekly(cadence::Weekly),
    Escalate(cadence::Escalate),
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Ledger(args) => ledger::run(&args, app)?,
        Command::Record(args) => record::run(args, app)?,
        Command::Dashboard(args) => dashboard::run(&args, app)?,
        Command::Sweep(args) => cadence::sweep(args, app)?,
        Command::Weekly(args) => cadence::weekly(&args, app)?,
        Command::Escalate(args) => cadence::escalate(args, app)?,
    }
    Ok(ExitCode::SUCCESS)
}
