//! `teof preflight`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Subcommand, ValueEnum};

use crate::base::{Result, env};
use crate::cli::App;
use crate::guard::preflight::{self, Base, Format, Report, Tree};
use crate::hub::Worktree;
use crate::seats;

/// Check the record by the rules, as CI does
///
/// `core` checks one seat before it works; `full` checks every file of the record.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof preflight core\n\
\x20 teof preflight full --format github")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Core(CoreArgs),
    Full(FullArgs),
}

/// Check one seat: manifest, branch, session and receipts
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof preflight core")]
struct CoreArgs {
    /// The seat [default: this worktree's]
    #[arg(long, value_name = "ID")]
    agent: Option<String>,
    #[command(flatten)]
    output: Output,
}

/// Check every file of the record that is checked out
///
/// Checks claims, assignments, events, messages, plans, the ledger and work orders.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n\
\x20 teof preflight full\n\
\x20 teof preflight full --base HEAD   # compare with a commit")]
struct FullArgs {
    /// Also compare with this commit; on a branch that is behind: $(git merge-base origin/main HEAD)
    #[arg(long, value_name = "REF")]
    base: Option<String>,
    #[command(flatten)]
    output: Output,
}

#[derive(Debug, clap::Args)]
struct Output {
    /// Output format
    #[arg(long, value_enum, default_value_t = Words::Human)]
    format: Words,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Words {
    Human,
    Json,
    /// Annotations of GitHub Actions
    Github,
}

pub fn run(args: Args, app: &App) -> Result<ExitCode> {
    match args.command {
        Command::Core(args) => {
            let hub = app.hub()?;
            let agent = seats::resolve(hub, args.agent.as_deref())?;
            let report = preflight::core(hub, &Tree::open(&hub.here)?, &agent)?;
            Ok(print(&report, &args.output, app))
        }
        Command::Full(args) => {
            // The tree that is checked out here, hub or not: CI knows neither pin nor hub.
            let start = app.global.root.clone().or_else(|| env::var(env::ROOT).map(PathBuf::from));
            let worktree = Worktree::containing(start.as_deref().unwrap_or(Path::new(".")))?;
            let base = args.base.as_deref().map(|name| Base::find(&worktree, name)).transpose()?;
            let _progress = app.progress("Checking the record");
            let report = preflight::full(&Tree::open(&worktree)?, base.as_ref())?;
            Ok(print(&report, &args.output, app))
        }
    }
}

/// Errors fail, warnings do not.
fn print(report: &Report, output: &Output, app: &App) -> ExitCode {
    let format = match output.format {
        _ if app.json() => Format::Json,
        Words::Human => Format::Human,
        Words::Json => Format::Json,
        Words::Github => Format::Github,
    };
    let shown = report.show(format);
    if !shown.is_empty() {
        app.out(shown);
    }
    app.say(format!("preflight: {report}"));
    ExitCode::from(u8::from(report.errors() > 0))
}
